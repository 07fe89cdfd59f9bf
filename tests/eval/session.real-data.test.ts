import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { UserError } from "../../lib/core/errors";
import { type Progress, silent } from "../../lib/core/progress";
import { Rng } from "../../lib/core/rng";
import { coverageFrames, coverageOf } from "../../lib/datasets/frame-sampling";
import { openScene } from "../../lib/datasets/scannet";
import { openSession, type Session } from "../../lib/eval/session";
import { dataFolder, objects, writeScan } from "../setup/formats/scan";

// numbers that no other test uses: prepared scenes are shared between equal data
const [train, val] = ["scene9701_00", "scene9702_00"];
let data: ReturnType<typeof dataFolder>;
let session: Session;
const opened: Session[] = [];
const small = (): string[] => [`data.folder=${data.folder}`, "data.frames=4", "data.pool=4"];
async function open(...set: string[]): Promise<Session> {
  const found = await openSession(resolveConfig({ preset: "nano", set: [...small(), ...set] }), silent);
  opened.push(found);
  return found;
}
beforeAll(async () => {
  data = dataFolder();
  await writeScan(data.folder, { id: train, layout: "sens", frames: 9, lost: [4] });
  await writeScan(data.folder, { id: val, layout: "posed images", frames: 9 });
  data.file("scannetv2_train.txt", `${train}\n`);
  data.file("scannetv2_val.txt", `${val}\n`);
  const say = (scene_id: string, object: number): Record<string, unknown> => ({
    scene_id,
    object_id: String(object),
    object_name: objects[object]!.label.replaceAll(" ", "_"),
    ann_id: "0",
    description: "the one near the door",
  });
  data.file("ScanRefer_filtered_train.json", [say(train, 0), say(train, 2)]);
  data.file("ScanRefer_filtered_val.json", [say(val, 1)]);
  session = await open();
}, 900_000);
afterAll(() => {
  for (const { cache } of opened) {
    rmSync(cache.folder, { recursive: true, force: true });
  }
  data.remove();
});

test("scans are prepared like S2-Rooms, named by one config value", () => {
  expect(session.synthetic).toBe(false);
  const [group] = session.sentences("train");
  expect(group!.queries.map((q) => [q.sceneId, q.targetId, q.category])).toEqual([
    [train, 0, "office chair"],
    [train, 2, "office chair"],
  ]);
  expect(group!.scene.boxes("gt")).toEqual(objects.map((o) => o.box));
  // of frames 0 to 8 without 4, evenly: positions 0, 2, 4, 7
  expect(group!.scene.entry).toMatchObject({ frames: ["0", "2", "5", "8"], skippedFrames: 1 });
  expect(session.cache.scenes("val")[0]!.entry.frames).toEqual(["00000", "00020", "00050", "00080"]);
  expect(session.sentences("val")[0]!.queries[0]!.sameClass).toBe(1);
  expect(session.sources).toContain("gt");
  expect(group!.scene.record.patchKnown(0).every((known) => known === 1)).toBe(true);
});

test("frames by maximum coverage are a config value, and prepared beside the even ones", async () => {
  const whole = await open("data.coverage=1");
  expect(whole.cache.folder).not.toBe(session.cache.folder);
  const scene = openScene(data.folder, train);
  const coverage = await coverageOf(scene, scene.mesh()!.points, new Rng(0, `coverage-${train}`), 4);
  const chosen = whole.cache.scenes("train")[0]!.entry.frames;
  expect(chosen).toEqual(coverageFrames(coverage, 1));
  expect(new Set(chosen).size).toBe(4);
  // where fewer frames reach the share, some stand there twice, in order
  const few = (await open("data.coverage=0.01")).cache.scenes("train")[0]!.entry.frames;
  expect(new Set(few)).toEqual(new Set(coverageFrames(coverage, 0.01)));
  expect(few.length).toBe(4);
  expect([...few].sort((a, b) => Number(a) - Number(b))).toEqual(few);
  expect(() => resolveConfig({ preset: "nano", set: ["data.coverage=0"] })).toThrow("data.coverage");
}, 900_000);

test("several sets of sentences, with ReferIt3D's filters where they are wanted", async () => {
  const row = (scene: string, target: number, name: string, utterance: string, mentions: boolean): string =>
    `${scene}-${name}-1-${target},${scene},${name},${target},"${utterance}","[${utterance
      .split(" ")
      .map((w) => `'${w}'`)
      .join(", ")}]",nr3d,${mentions ? "True" : "False"}`;
  data.file(
    "nr3d.csv",
    [
      "stimulus_id,scan_id,instance_type,target_id,utterance,tokens,dataset,mentions_target_class",
      row(train, 1, "trash can", "the trash can", true),
      row(train, 0, "office chair", "it stands by the window in the far corner", false),
      row(val, 2, "office chair", "the chair", true),
    ].join("\n"),
  );
  const ids = async (...set: string[]): Promise<string[]> =>
    (await open('data.sentences=["scanrefer","nr3d"]', ...set))
      .sentences("train")[0]!
      .queries.map((q) => `${q.dataset} ${q.targetId}`);
  expect(await ids()).toEqual(["scanrefer 0", "scanrefer 2", "nr3d 1", "nr3d 0"]);
  expect(await ids("data.referFilters.mentionsTargetClass=true")).toEqual(["scanrefer 0", "scanrefer 2", "nr3d 1"]);
  expect(await ids("data.referFilters.maxTokens=3")).toEqual(["scanrefer 0", "scanrefer 2", "nr3d 1"]);
  const none = await open('data.sentences=["nr3d"]', "data.referFilters.maxTokens=1");
  expect(() => none.sentences("val")).toThrow(UserError);
  expect(() => none.sentences("val")).toThrow(
    /nr3d\.csv: none of its 0 sentences that data\.referFilters lets through speaks of a scene/,
  );
  const sr3d = await open('data.sentences=["sr3d"]');
  expect(() => sr3d.sentences("train")).toThrow("has no sentences of sr3d (train); put sr3d_train.csv, or sr3d.csv");
  expect(() => resolveConfig({ preset: "nano", set: ["data.referFilters.maxTokens=24"] })).toThrow(
    'data.referFilters is for nr3d and sr3d, but data.sentences is ["scanrefer"]; name them there or leave the ' +
      "filters out",
  );
  expect(() =>
    resolveConfig({ preset: "nano", set: ["data.referFilters.tokens=24", 'data.sentences=["nr3d"]'] }),
  ).toThrow('unknown key "tokens" at data.referFilters; known: mentionsTargetClass, maxTokens');
}, 900_000);

test("sentences about scenes that the list does not name are counted and reported", async () => {
  const notes: Progress[] = [];
  const found = await openSession(resolveConfig({ preset: "nano", set: small() }), (p) => notes.push(p));
  opened.push(found);
  data.edit("ScanRefer_filtered_val.json", (text) =>
    text.replace(
      /\]$/,
      `,${JSON.stringify({
        scene_id: "scene0000_00",
        object_id: "0",
        object_name: "chair",
        ann_id: "0",
        description: "a chair",
      })}]`,
    ),
  );
  expect(found.sentences("val")[0]!.queries.length).toBe(1);
  expect(notes.map((p) => p.note)).toContain("1 left out: their scenes are not in scannetv2_val.txt");
});
