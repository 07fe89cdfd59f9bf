import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { roomsConfig, run } from "../../../lib/cli/data";
import type { Progress } from "../../../lib/core/progress";
import { inProject } from "../../../lib/core/root";
import { readProposals } from "../../../lib/datasets/proposals";
import { readReferIt3D } from "../../../lib/datasets/referit3d";
import { baselines } from "../../../lib/datasets/rooms/baselines";
import { cardText, readControlRows } from "../../../lib/datasets/rooms/card";
import { checkData } from "../../../lib/datasets/rooms/check";
import { configHash, planRooms, RoomsConfig, roomSets } from "../../../lib/datasets/rooms/config";
import { makeRooms, readManifest } from "../../../lib/datasets/rooms/make";
import { measureRooms } from "../../../lib/datasets/rooms/measure";
import { finishedRoom, makeRoom, roomContents } from "../../../lib/datasets/rooms/scan";
import { openScene } from "../../../lib/datasets/scannet";
import { readScanRefer } from "../../../lib/datasets/scanrefer";
import { printed } from "../../setup/printed";

const config = RoomsConfig.parse(roomSets.tiny);
let top: string;
let folder: string;
beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), "s2-make-"));
  folder = join(top, "tiny");
  await makeRooms(folder, config);
});
afterAll(() => rmSync(top, { recursive: true }));

/** sha256 of every file below a folder, by path. */
function hashes(at: string, below = ""): Record<string, string> {
  return Object.assign(
    {},
    ...readdirSync(join(at, below), { withFileTypes: true }).map((entry) => {
      const path = join(below, entry.name);
      return entry.isDirectory()
        ? hashes(at, path)
        : {
            [path]: createHash("sha256")
              .update(readFileSync(join(at, path)))
              .digest("hex"),
          };
    }),
  ) as Record<string, string>;
}

/** Runs `s2mllm data` and returns what it printed. */
const cli = (...args: string[]): ReturnType<typeof printed> => printed(run, ...args);

test("a room to test on has the boxes and the mesh of its files before it is made", () => {
  for (const plan of planRooms(config).filter(({ split }) => split === "val")) {
    const drawn = roomContents(config, plan);
    const scene = openScene(folder, plan.id);
    expect(drawn.proposals).toEqual(readProposals(folder, plan.id));
    expect(drawn.objects.map(({ id, label }) => [id, label])).toEqual(
      scene.objects.map(({ id, label }) => [id, label]),
    );
    for (const [i, { box }] of drawn.objects.entries())
      for (const [k, x] of box.entries()) expect(scene.objects[i]!.box[k]).toBeCloseTo(x, 3);
    const [mesh, written] = [drawn.mesh(), scene.mesh()!];
    expect(mesh.points.length).toBe(written.points.length);
    expect(Math.max(...mesh.points.map((x, i) => Math.abs(x - written.points[i]!)))).toBeLessThan(1e-4);
  }
});

describe("making rooms", () => {
  test("the same seed gives the same bytes in every file, also with worker processes", async () => {
    const again = join(top, "again");
    // more than 16 rooms would be needed to start workers by itself
    const many = RoomsConfig.parse({ ...roomSets.tiny, trainRooms: 14, frames: 2, image: 32, layouts: 2 });
    await makeRooms(join(top, "one"), many, { workers: 1 });
    await makeRooms(again, many, { workers: 2 });
    expect(hashes(again)).toEqual(hashes(join(top, "one")));
  });

  test("another seed gives other rooms", async () => {
    const plan = planRooms(config)[0]!;
    const a = await makeRoom(config, plan);
    const b = await makeRoom({ ...config, seed: 1 }, plan);
    expect(a.record.content).not.toBe(b.record.content);
    expect(a.record.objects).not.toEqual(b.record.objects);
  });

  test("a second run changes nothing and an interrupted one makes only what is missing", async () => {
    const before = hashes(folder);
    const scan = join(folder, "scans", "scene0003_00");
    const untouched = join(folder, "scans", "scene0004_00", "pose", "0.txt");
    utimesSync(untouched, 1, 1);
    await makeRooms(folder, config);
    rmSync(scan, { recursive: true });
    mkdirSync(join(folder, "scans", "scene0003_00.123.tmp"));
    const events: Progress[] = [];
    await makeRooms(folder, config, { progress: (e) => events.push(e) });
    expect(events.map((e) => [e.done, e.total])).toEqual([[9, 9]]);
    expect(hashes(folder)).toEqual(before);
    expect(statSync(untouched).mtimeMs).toBe(1000);
  });

  test("rooms of another config are made anew", async () => {
    const other = join(top, "other");
    await makeRooms(other, { ...config, trainRooms: 1, testRooms: 1, frames: 2 });
    await makeRooms(other, { ...config, trainRooms: 1, testRooms: 1, frames: 3 });
    expect(openScene(other, "scene0000_00").frames.length).toBe(3);
    expect(readManifest(other)!.config.frames).toBe(3);
  });

  test("a scan that the maker did not write is never replaced", async () => {
    const real = join(top, "real");
    mkdirSync(join(real, "scans", "scene0000_00"), { recursive: true });
    await expect(makeRooms(real, config)).rejects.toThrow(
      /scene0000_00 exists and was not written by "data make".*name another folder/,
    );
    expect(existsSync(join(real, "scans", "scene0000_00"))).toBe(true);
  });

  test("the manifest counts what is there", () => {
    const manifest = readManifest(folder)!;
    expect(manifest.rooms).toEqual({ train: 6, val: 3 });
    expect(manifest.sentences).toEqual({ train: 96, val: 36 });
    expect(manifest.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(configHash(manifest.config)).toBe(configHash(config));
  });

  test("impossible rooms are an error that says why", async () => {
    const cramped = RoomsConfig.parse({ ...roomSets.tiny, side: [2, 2.1], layouts: 1 });
    await expect(makeRoom(cramped, planRooms(cramped)[0]!)).rejects.toThrow(
      "objects do not fit into rooms of 2 to 2.1 m; allow larger sides or fewer objects",
    );
  });
});

describe("the files", () => {
  test("ScanRefer, Sr3D and Nr3D tell the same", () => {
    const all = readScanRefer(join(folder, "ScanRefer_filtered_val.json"));
    const sr3d = readReferIt3D(join(folder, "sr3d_test.csv"), "sr3d");
    const nr3d = readReferIt3D(join(folder, "nr3d_test.csv"), "nr3d");
    expect(all.length).toBe(36);
    const key = (q: { sceneId: string; targetId: number; description: string }): string =>
      `${q.sceneId} ${q.targetId} ${q.description}`;
    expect([...sr3d, ...nr3d].map(key).sort()).toEqual(all.map(key).sort());
    for (const q of sr3d) {
      const same = all.find((a) => key(a) === key(q))!;
      expect([q.relation, q.anchorIds, q.anchorWords, q.tokens]).toEqual([
        same.relation,
        same.anchorIds,
        same.anchorWords,
        same.tokens,
      ]);
    }
    expect(nr3d.every((q) => ["attribute", "view"].includes(all.find((a) => key(a) === key(q))!.relation!))).toBe(true);
    expect(new Set(all.map((q) => q.id)).size).toBe(36);
  });

  test("ReferIt3D's count is the count of the scene", () => {
    for (const q of readReferIt3D(join(folder, "sr3d_train.csv"), "sr3d")) {
      expect(openScene(folder, q.sceneId).objects.filter((o) => o.label === q.category).length).toBe(q.sameClass);
    }
  });

  test("the label map has ScanNet's columns", () => {
    const [header, ...rows] = readFileSync(join(folder, "scannetv2-labels.combined.tsv"), "utf8")
      .split("\n")
      .filter((l) => l !== "")
      .map((l) => l.split("\t"));
    expect([header![1], header![4]]).toEqual(["raw_category", "nyu40id"]);
    expect(rows.find((r) => r[1] === "chair")![4]).toBe("5");
    expect(rows.every((r) => r.length === header!.length)).toBe(true);
  });

  test("every third room of this size has a frame without a pose", () => {
    expect(planRooms(config).map((p) => openScene(folder, p.id).skippedFrames.length)).toEqual([
      0, 0, 1, 0, 0, 1, 0, 0, 1,
    ]);
    expect(finishedRoom(folder, "scene0002_00", config)!.objects.every((o) => o.pixels.length === 12)).toBe(true);
  });
});

describe("what a sentence speaks of", () => {
  test("shows on enough of enough frames", () => {
    let hidden = 0;
    for (const { id } of planRooms(config)) {
      const room = finishedRoom(folder, id, config)!;
      const frames = (share: number): number[] =>
        room.objects.map((o) => o.pixels.filter((n) => n >= share * 112 * 112).length);
      const [plain, some] = [frames(0.06), frames(0.01)];
      hidden += some.filter((n) => n < 2).length;
      for (const s of room.sentences) {
        for (const o of [s.target, ...s.anchors])
          expect((s.kind === "attribute" ? plain : some)[o], `${id} "${s.text}"`).toBeGreaterThanOrEqual(2);
      }
    }
    expect(hidden).toBeGreaterThan(0);
  });
});

describe("checking", () => {
  test("finds nothing wrong with fresh rooms", async () => {
    const report = await checkData(folder, 112);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ scenes: 9, frames: 108, skippedFrames: 3, proposalFiles: 3 });
  });

  test("finds a wrong answer, a missing scene and a broken picture", async () => {
    const broken = join(top, "broken");
    await makeRooms(broken, {
      ...config,
      trainRooms: 2,
      testRooms: 1,
      shown: { frames: 0, share: 0, attributeShare: 0 },
      frames: 2,
    });
    const file = join(broken, "ScanRefer_filtered_train.json");
    const entries = JSON.parse(readFileSync(file, "utf8")) as {
      object_id: string;
      scene_id: string;
      s2_rooms: { kind: string };
    }[];
    const changed = entries.find((e) => e.s2_rooms.kind === "closest" && e.scene_id === "scene0000_00")!;
    const scene = openScene(broken, changed.scene_id);
    const like = scene.objects.find(
      (o) => o.label === scene.objects[Number(changed.object_id)]!.label && o.id !== Number(changed.object_id),
    )!;
    changed.object_id = String(like.id);
    writeFileSync(file, JSON.stringify(entries));
    rmSync(join(broken, "scans", "scene0002_00"), { recursive: true });
    writeFileSync(join(broken, "scans", "scene0001_00", "depth", "0.png"), "x");
    const { problems } = await checkData(broken, 112);
    expect(problems.length).toBe(3);
    expect(problems[0]).toMatch(/the scene's geometry does not give object \d+ alone/);
    expect(problems[1]).toMatch(/depth.0\.png: not a PNG file/);
    expect(problems[2]).toMatch(/scene "scene0002_00" is not in/);
  });

  test("needs a split list", async () => {
    await expect(checkData(join(top, "nowhere"), 112)).rejects.toThrow(
      "has neither scannetv2_train.txt nor scannetv2_val.txt",
    );
    const scans = join(top, "scans-only");
    mkdirSync(scans);
    writeFileSync(join(scans, "scannetv2_val.txt"), "scene0000_00\n");
    await expect(checkData(scans, 112)).rejects.toThrow(
      `${scans} holds no finished S2-Rooms (no rooms.json); run "data make" to the end first`,
    );
  });
});

describe("baselines", () => {
  const object = (id: number, label: string, x: number) => ({ id, label, box: [x, 0, 0.5, 0.5, 0.5, 1] as const });
  // a table at x = 0, chairs at 1, 2.5 and -3, a bed at 4
  const objects = [
    object(0, "table", 0),
    object(1, "chair", 1),
    object(2, "chair", 2.5),
    object(3, "chair", -3),
    object(4, "bed", 4),
  ];
  const query = (targetId: number, anchorIds: number[]) => ({
    id: "",
    dataset: "scanrefer" as const,
    sceneId: "a",
    category: "chair",
    description: "",
    tokens: [],
    relation: "closest" as const,
    anchorWords: [],
    sameClass: 3,
    targetId,
    anchorIds,
  });

  const colours = objects.map(() => "red");

  test("worked by hand", () => {
    const [row] = baselines(
      [query(1, [0]), query(2, [4])],
      new Map([["a", { objects, colours, proposals: [] }]]),
      config.margins,
    );
    expect(row).toMatchObject({ kind: "closest", n: 2, randomObject: 0.2, pairs: 1, changes: 1 });
    expect(row!.classOracle).toBeCloseTo(1 / 3, 12);
    // chairs 1 and 2 can be meant: 1 is closest to the table, 2 to the bed
    expect(row!.anchorBlindBound).toBe(0.5);
    // nobody is asked for chair 2 when it is hidden
    const [hidden] = baselines(
      [query(1, [0])],
      new Map([["a", { objects, colours, proposals: [], shown: new Set([0, 1, 3, 4]) }]]),
      config.margins,
    );
    expect(hidden!.anchorBlindBound).toBe(1);
    // chair 1 lies 1 m from the table, chair 2 1.5 m from the bed
    expect(row!.rules["nearest to any anchor"]).toBe(0.5);
  });
});

describe("the card", () => {
  test("shows measured numbers only, and a control where rows are given", async () => {
    const facts = await measureRooms(folder, 8, 14);
    const text = cardText(facts);
    expect(text).toMatch(/^---\nname: S2-Rooms \(tiny\)\n/);
    expect(text).toContain(`fingerprint: ${readManifest(folder)!.fingerprint}`);
    expect(text).toContain("6 training rooms with 96 sentences, 3 test rooms with 36 sentences");
    expect(text).not.toContain("Trained controls");
    expect(text).not.toMatch(/NaN|undefined|null/);
    for (const k of facts.kinds)
      expect(text).toContain(
        `| ${k.kind} | ${k.n} | ${(100 * k.randomObject).toFixed(1)} | ${(100 * k.classOracle).toFixed(1)} |`,
      );
    const rows = join(top, "rows.jsonl");
    const metrics = { acc25: 51.26, byRelation: { closest: 38.2 }, pairAccuracy: { closest: 12.4 } };
    writeFileSync(rows, `${JSON.stringify({ variant: "no-mpe", seed: 2, proposals: "detector", metrics })}\n`);
    expect(cardText(facts, readControlRows(rows))).toContain("| no-mpe | detector-like | 2 | 51.3 | 38.2 (12.4) |");
  });

  test("refuses rows that are none", () => {
    const rows = join(top, "bad.json");
    writeFileSync(rows, '[{"variant": "x"}]');
    expect(() => readControlRows(rows)).toThrow("bad.json: row 0: seed:");
    writeFileSync(rows, "{");
    expect(() => readControlRows(rows)).toThrow("bad.json: not JSON");
    expect(() => readControlRows(join(top, "none.json"))).toThrow("none.json is missing");
  });
});

describe("the command", () => {
  test("make, check and card print one JSON document", async () => {
    const card = join(top, "card.md");
    const made = await cli("make", "--size", "tiny", "--folder", folder, "--json");
    expect(made.status).toBe(0);
    expect(JSON.parse(made.out)).toMatchObject({
      folder,
      rooms: { train: 6, val: 3 },
      fingerprint: readManifest(folder)!.fingerprint,
    });
    const checked = await cli("check", "--folder", folder, "--json");
    expect(checked.status).toBe(0);
    expect(JSON.parse(checked.out)).toMatchObject({ ok: true, scenes: 9, problems: [] });
    const written = await cli("card", "--folder", folder, "--card", card, "--json");
    expect(written.status).toBe(0);
    expect(JSON.parse(written.out)).toMatchObject({ file: card });
    expect(readFileSync(card, "utf8")).toContain("# S2-Rooms");
  });

  test("a check that finds something ends with 1", async () => {
    const odd = join(top, "odd");
    mkdirSync(odd);
    writeFileSync(join(odd, "scannetv2_val.txt"), "scene0001_00\n");
    const { status, out } = await cli("check", "--folder", odd);
    expect(status).toBe(1);
    expect(out).toContain("missing: scan folder scans/<scene>: 1 scene (scene0001_00)");
  });

  test.each([
    [[], "data: needs an action: make, check or card"],
    [["bake"], 'data: unknown action "bake"; known: make, check, card'],
    [["make", "check"], "data: takes one action, got make check"],
    [["make", "--size", "nanoo"], 'size of S2-Rooms "nanoo" is unknown (did you mean "nano"?)'],
    [["make", "--set", "tranRooms=3"], "rooms config: "],
    [["make", "--workers", "0"], '--workers takes a whole number of at least 1, got "0"'],
  ])("refuses %j", async (args, message) => {
    await expect(cli(...args)).rejects.toThrow(message);
    await expect(cli(...args)).rejects.toMatchObject({ exitCode: 2 });
  });

  test("a card needs finished rooms", async () => {
    await expect(cli("card", "--folder", join(top, "nowhere"))).rejects.toThrow(
      "holds no finished S2-Rooms (no rooms.json)",
    );
  });

  test.each(readdirSync(inProject("data", "cards")))(
    "the card %s has source, terms, size, layout and known defects, and is printed by its name",
    async (file) => {
      const { out, status } = await cli("card", file.replace(/\.md$/, ""));
      expect(status).toBe(0);
      for (const part of [
        /^name: \S/m,
        /^source: \S/m,
        /^terms: \S/m,
        /^size: \S/m,
        /^## Layout.*\n\n\S/m,
        /^## Known defects\n\n\S/m,
      ])
        expect(out).toMatch(part);
    },
  );

  test("a card of a set that nobody knows is refused with the names", async () => {
    await expect(cli("card", "scanet")).rejects.toThrow(
      /^data card "scanet" is unknown \(did you mean "scannet"\?\); known: .*multiscan/,
    );
  });

  test("changes reach the config", () => {
    expect(roomsConfig("tiny", ["margins.view=0.7", "trainRooms=4"], 5)).toMatchObject({
      name: "tiny",
      seed: 5,
      trainRooms: 4,
      margins: { view: 0.7, closest: 0.4 },
    });
  });

  test("nano rooms go to a folder that git ignores", () => {
    expect(readFileSync(inProject(".gitignore"), "utf8").split("\n")).toContain("/data/rooms/");
  });
});
