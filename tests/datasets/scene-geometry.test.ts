import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { silent } from "../../lib/core/progress";
import { prepareScenes } from "../../lib/dataloader/prepare";
import { checkScans } from "../../lib/datasets/check";
import { RoomsConfig, roomSets } from "../../lib/datasets/rooms/config";
import { makeRooms } from "../../lib/datasets/rooms/make";
import { openScene, readWholeViews } from "../../lib/datasets/scannet";
import { proveGeometry } from "../../lib/datasets/scene-geometry";
import { writePhoneScan } from "../setup/formats/phone-scan";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const ids = Array.from({ length: 20 }, (_, i) => `scene${String(i).padStart(4, "0")}_00`);
let top: string;
let rooms: string;
beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), "s2-geometry-"));
  rooms = join(top, "rooms");
  await makeRooms(rooms, RoomsConfig.parse({ ...roomSets.tiny, trainRooms: 19, testRooms: 1, layouts: 2, image: 64 }));
  // checked as anybody's scans are
  rmSync(join(rooms, "rooms.json"));
});
afterAll(() => rmSync(top, { recursive: true }));

type Matrix = number[];
const text = (m: Matrix): string => `${[0, 4, 8, 12].map((r) => m.slice(r, r + 4).join(" ")).join("\n")}\n`;
const eachPose =
  (change: (pose: Matrix) => Matrix) =>
  (scan: string): void => {
    for (const name of readdirSync(join(scan, "pose"))) {
      const file = join(scan, "pose", name);
      const pose = readFileSync(file, "utf8").trim().split(/\s+/).map(Number);
      if (pose.every(Number.isFinite)) writeFileSync(file, text(change(pose)));
    }
  };
const eachDepth =
  (change: (d: number) => number) =>
  async (scan: string): Promise<void> => {
    for (const name of readdirSync(join(scan, "depth"))) {
      const file = join(scan, "depth", name);
      const { data, info } = await sharp(file)
        .toColourspace("grey16")
        .raw({ depth: "ushort" })
        .toBuffer({ resolveWithObject: true });
      const pixels = Uint16Array.from(new Uint16Array(data.buffer, data.byteOffset, data.length / 2), change);
      await sharp(pixels, { raw: { width: info.width, height: info.height, channels: 1 } })
        .toColourspace("grey16")
        .png()
        .toFile(`${file}.new`);
      writeFileSync(file, readFileSync(`${file}.new`));
      rmSync(`${file}.new`);
    }
  };
interface Aggregation {
  sceneId: string;
  segmentsFile: string;
  segGroups: { label: string; segments: number[] }[];
}
const eachJson =
  (suffix: string, change: (json: Aggregation) => void) =>
  (scan: string): void => {
    for (const name of readdirSync(scan).filter((n) => n.endsWith(suffix))) {
      const json = JSON.parse(readFileSync(join(scan, name), "utf8")) as Aggregation;
      change(json);
      writeFileSync(join(scan, name), JSON.stringify(json));
    }
  };
/** [Rᵀ | -Rᵀ t] */
const inverse = (p: Matrix): Matrix => {
  const out = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      out[4 * i + j] = p[4 * j + i]!;
      out[4 * i + 3]! -= p[4 * j + i]! * p[4 * j + 3]!;
    }
  }
  return out;
};

const faults: [string, (scan: string) => unknown][] = [
  ["poses of zeros", eachPose((p) => p.map(() => 0))],
  ["poses that mirror", eachPose((p) => p.map((x, i) => (i % 4 === 0 && i < 12 ? -x : x)))],
  ["poses from world to camera", eachPose(inverse)],
  ["poses five metres off", eachPose((p) => p.map((x, i) => (i === 3 ? x + 5 : x)))],
  [
    "poses with y up, looking along -z",
    eachPose((p) => p.map((x, i) => (i < 12 && (i % 4 === 1 || i % 4 === 2) ? -x : x))),
  ],
  ["poses stored column by column", eachPose((p) => p.map((_, i) => p[4 * (i % 4) + (i >> 2)]!))],
  ["poses in millimetres", eachPose((p) => p.map((x, i) => (i % 4 === 3 && i < 12 ? 1000 * x : x)))],
  ["depth at ten times its scale", eachDepth((d) => Math.min(65535, 10 * d))],
  ["depth at a fifth of its scale", eachDepth((d) => Math.round(d / 5))],
  ["depth at half its scale", eachDepth((d) => d >> 1)],
  ["holes as the largest number", eachDepth((d) => (d === 0 ? 65535 : d))],
  ["depth empty everywhere", eachDepth(() => 0)],
  [
    "intrinsics that are the identity",
    (scan) =>
      writeFileSync(
        join(scan, "intrinsic", "intrinsic_depth.txt"),
        text([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
      ),
  ],
  [
    "an aggregation of another segmentation",
    eachJson(".aggregation.json", (j) => (j.segmentsFile = j.segmentsFile.replace("010000", "005000"))),
  ],
  ["an aggregation of another scene", eachJson(".aggregation.json", (j) => (j.sceneId = "scannet.scene0700_00"))],
  ["segments that are absent", eachJson(".aggregation.json", (j) => j.segGroups[0]!.segments.push(99_999))],
];

test("of 20 rooms none is named, and the shares are stated", async () => {
  const { problems, scenes, recognised, geometry } = await checkScans(rooms, 64);
  expect(problems).toEqual([]);
  expect(scenes).toBe(20);
  expect(recognised.join("\n")).toMatch(
    /points on the mesh: least 100.0 %, median 100.0 % \(20 scenes\), at least 60 %/,
  );
  expect(geometry.scene0003_00!.inBoxes).toBeGreaterThan(0.1);
});

test.each(faults)("%s: at least 19 of 20 rooms are named, and none of them can be prepared", async (_, fault) => {
  const copy = join(top, "altered");
  cpSync(rooms, copy, { recursive: true });
  for (const id of ids) await fault(join(copy, "scans", id));
  const { problems } = await checkScans(copy, 64);
  const named = ids.filter((id) => problems.some((problem) => problem.includes(id)));
  expect(named.length).toBeGreaterThanOrEqual(19);
  let refused = 0;
  for (const id of ids) {
    try {
      const scene = openScene(copy, id);
      const { views } = await readWholeViews(scene, scene.frames.slice(0, 8), 64);
      if ((await proveGeometry(scene, views, 64)).problems.length > 0) refused++;
    } catch {
      refused++;
    }
  }
  expect(refused).toBeGreaterThanOrEqual(19);
  rmSync(copy, { recursive: true });
});

test("class ids of exported masks in NYU40's numbering are named, and such scenes are not prepared", async () => {
  const copy = join(top, "masks");
  cpSync(rooms, copy, { recursive: true });
  const rows = readFileSync(join(copy, "scannetv2-labels.combined.tsv"), "utf8")
    .split("\n")
    .map((l) => l.split("\t"));
  const numbers = new Map(rows.map((r) => [r[1]!, { row: r[0]!, nyu: r[4]! }]));
  for (const key of ["row", "nyu"] as const) {
    let count = 0;
    for (const id of ids) {
      const scan = join(copy, "scans", id);
      const groups = JSON.parse(readFileSync(join(scan, `${id}.aggregation.json`), "utf8"))
        .segGroups as Aggregation["segGroups"];
      const segments = JSON.parse(readFileSync(join(scan, `${id}_vh_clean_2.0.010000.segs.json`), "utf8"))
        .segIndices as number[];
      const lines = groups.map((group, g) => {
        const own = new Set(group.segments);
        writeFileSync(join(copy, `${id}-${g}.txt`), `${segments.map((s) => (own.has(s) ? 1 : 0)).join("\n")}\n`);
        return `${id}-${g}.txt ${numbers.get(group.label)![key]} 0.9`;
      });
      mkdirSync(join(copy, "mask3d"), { recursive: true });
      groups.forEach((_, g) => renameSync(join(copy, `${id}-${g}.txt`), join(copy, "mask3d", `${id}-${g}.txt`)));
      writeFileSync(join(copy, "mask3d", `${id}.txt`), `${lines.join("\n")}\n`);
      rmSync(join(copy, "proposals", `${id}.json`), { force: true });
    }
    const { problems } = await checkScans(copy, 64);
    count = ids.filter((id) => problems.some((p) => p.includes(`${id}.txt: class ids are NYU40's`))).length;
    if (key === "row") expect(problems).toEqual([]);
    else expect(count).toBeGreaterThanOrEqual(19);
  }
  const config = resolveConfig({ preset: "nano", set: [`data.folder=${copy}`, "data.frames=2", "data.pool=2"] });
  const refused = await prepareScenes(config, silent).then(
    () => "",
    (error: Error) => error.message,
  );
  expect(refused).toMatch(/^(?:19|20) of 20 scenes of .* cannot be prepared;/);
  expect(refused).toMatch(/scene0000_00: .*mask3d.scene0000_00\.txt: class ids are NYU40's/);
  rmSync(copy, { recursive: true });
});

describe("a set states its own rules", () => {
  test("ninety per cent of holes are no fault, a street's depth is one until dataset.json says so", async () => {
    const copy = join(top, "own");
    cpSync(rooms, copy, { recursive: true });
    let n = 0;
    await eachDepth((d) => (n++ % 10 === 0 ? d : 0))(join(copy, "scans", ids[0]!));
    await eachDepth((d) => (d > 3000 ? 30_000 : d))(join(copy, "scans", ids[1]!));
    const { problems } = await checkScans(copy, 64);
    expect(problems.filter((p) => p.includes(ids[0]!))).toEqual([]);
    expect(problems.some((p) => p.includes(ids[1]!) && p.includes("beyond 20 m (up to 30.0 m)"))).toBe(true);
    writeFileSync(join(copy, "dataset.json"), JSON.stringify({ checks: { farthest: 200, onMesh: 0.2 } }));
    expect((await checkScans(copy, 64)).problems.filter((p) => p.includes("beyond"))).toEqual([]);
    // depth beyond a stated limit was not measured
    writeFileSync(join(copy, "dataset.json"), JSON.stringify({ depth: { far: 10 } }));
    expect((await checkScans(copy, 64)).problems).toEqual([]);
    writeFileSync(join(copy, "dataset.json"), '{"depht": {}}');
    expect(() => openScene(copy, ids[0]!)).toThrow(/dataset\.json: .*depht/);
  });
});

test("a phone scan in 7-Scenes' names, without mesh or lists, is read; altered ones are named", async () => {
  const folder = join(top, "phone");
  await writePhoneScan(join(folder, "kitchen"));
  const good = await checkScans(folder, 64);
  expect(good.problems).toEqual([]);
  expect(good).toMatchObject({ scenes: 1, frames: 24, skippedFrames: 0, damagedFrames: 0 });
  expect(good.recognised).toContain("frames as 7-Scenes: 1 scene (kitchen)");
  expect(good.geometry.kitchen!.neighbours).toBeGreaterThan(0.9);
  expect(good.missing.map(({ todo }) => todo).join(" ")).not.toMatch(/ScanNet's official list|\.sens/);
  const scene = openScene(folder, "kitchen");
  expect(scene.objects.map((o) => o.label)).toEqual(["cabinet", "cabinet", "desk"]);
  const poses = (change: (m: Matrix) => Matrix): void => {
    for (const name of readdirSync(join(folder, "kitchen")).filter((n) => n.endsWith(".pose.txt"))) {
      const file = join(folder, "kitchen", name);
      writeFileSync(file, text(change(readFileSync(file, "utf8").trim().split(/\s+/).map(Number))));
    }
  };
  poses(inverse);
  expect((await checkScans(folder, 64)).problems.length).toBeGreaterThan(0);
  poses(inverse);
  poses((p) => p.map((x, i) => (i === 3 ? x + 5 : x)));
  expect((await checkScans(folder, 64)).problems.join(" ")).toMatch(/lie in the objects' boxes/);
});
