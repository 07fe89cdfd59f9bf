import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../lib/cli/data";
import { resolveConfig } from "../../lib/config/resolve";
import { inProject } from "../../lib/core/root";
import { checkScans } from "../../lib/datasets/check";
import { readProposals } from "../../lib/datasets/proposals";
import { openScene, readViews } from "../../lib/datasets/scannet";
import { readSentences, splitScenes } from "../../lib/datasets/sentences";
import { iou } from "../../lib/geometry/box";
import { writeCapture } from "../setup/formats/arkit";
import { sparseNpz } from "../setup/formats/npz";
import { dataFolder, type Layout, layouts, objects, writeScan } from "../setup/formats/scan";
import { printed } from "../setup/printed";

let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());

const labelMap =
  "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class\n4\toffice " +
  "chair\tchair\t595\t5\t4\tchair\tchair\n12\ttrash can\ttrash can\t1090\t39\t6\tgarbage bin\totherfurniture\n";
const annotation = (scene: string, object: number, ann: number): Record<string, unknown> => ({
  scene_id: scene,
  object_id: String(object),
  object_name: objects[object]!.label.replaceAll(" ", "_"),
  ann_id: String(ann),
  description: "This is it.",
  token: ["this", "is", "it", "."],
});
const corners = (object: number): number[] => Array.from({ length: 8 }, (_, v) => 8 * object + v);

/** Two scans, their lists, sentences and, for the test scan, masks: what someone downloads. */
async function download(layout: Layout): Promise<void> {
  await writeScan(data.folder, { id: "scene0000_00", layout, lost: [2] });
  await writeScan(data.folder, { id: "scene0011_00", layout, frames: 3 });
  data.file("scannetv2_train.txt", "scene0000_00\n");
  data.file("scannetv2_val.txt", "scene0011_00\n");
  data.file("scannetv2-labels.combined.tsv", labelMap);
  data.file("ScanRefer_filtered_train.json", [annotation("scene0000_00", 0, 0), annotation("scene0000_00", 2, 0)]);
  data.file("ScanRefer_filtered_val.json", [annotation("scene0011_00", 1, 0), annotation("scene0011_00", 1, 1)]);
  data.file(
    "nr3d.csv",
    "stimulus_id,scan_id,instance_type,target_id,utterance,tokens,mentions_target_class\n" +
      "scene0011_00-office_chair-2-2-0,scene0011_00,office chair,2,the far chair,\"['the', 'far', 'chair']\",True\n",
  );
  data.file("mask/scene0011_00.mask.npz", sparseNpz([corners(2), corners(0), corners(1)], 25));
}

/** Runs `s2mllm data` and returns what it printed. */
const cli = (...args: string[]): ReturnType<typeof printed> => printed(run, ...args);

test.each(["scans", "Training", "Validation", "metadata", "mask3d", "mask", "proposals", "processed", "posed_images"])(
  "a file in place of the folder %s does not end the check",
  async (name) => {
    const id = "scene0011_00";
    if (name !== "scans") await writeScan(data.folder, { id, layout: "sens" });
    data.file(name, "half a download");
    data.file("scannetv2_val.txt", `${id}\n`);
    const report = await checkScans(data.folder, 28);
    const said = [...report.problems, ...report.missing.map(({ what }) => what)].join("\n");
    if (["scans", "Training", "Validation", "metadata"].includes(name))
      expect(said).toContain(`${name}: is a file, expected a folder`);
    expect(report.scenes).toBe(name === "scans" ? 0 : 1);
  },
);

describe.each(layouts)("downloaded data with frames as %s", (layout) => {
  test("go from one config value to scenes, sentences and proposals", async () => {
    await download(layout);
    const folder = inProject(resolveConfig({ preset: "nano", set: [`data.folder=${data.folder}`] }).data.folder);
    const queries = readSentences(folder, "scanrefer", "val");
    expect(queries.map((q) => [q.id, q.category, q.sameClass])).toEqual([
      ["scene0011_00|1|0", "trash can", 1],
      ["scene0011_00|1|1", "trash can", 1],
    ]);
    const scene = openScene(folder, queries[0]!.sceneId);
    const views = await readViews(scene, scene.frames, 6);
    expect(views.map((v) => [v.size, v.colour.length, v.depth.length])).toEqual(new Array(3).fill([6, 108, 36]));
    const proposals = readProposals(folder, scene.id);
    const overlaps = proposals.map((p) => iou(p.box, scene.objects[queries[0]!.targetId]!.box));
    expect(overlaps.map((x) => Number(x.toFixed(6)))).toEqual([0, 0, 1]);
  });

  test("are recognised whole", async () => {
    await download(layout);
    const { status, out } = await cli("check", data.folder);
    expect(out.split("\n")[0]).toBe(
      `${data.folder}: 2 of 2 scenes can be used, 6 frames with a finite pose, 1 without (skipped), 0 damaged, ` +
        "0 scenes without axis alignment (identity used), 1 with proposals",
    );
    expect(out).toContain("  scans: 2 folders\n");
    expect(out).toContain(
      "  scannetv2_val.txt: 1 scenes, ScanNet v2 published 312 scenes: this is another version or a part\n",
    );
    expect(out).toContain("  ScanRefer_filtered_val.json (val): 2 sentences about 1 scenes\n");
    expect(out).toContain("  nr3d.csv (val): 1 sentences about 1 scenes, 1 after ReferIt3D's own filters\n");
    expect(out).toContain("  nr3d.csv: 1 sentences in all, ReferIt3D published 41.5K sentences");
    expect(out).toContain(`  frames as ${layout}: 2 scenes (scene0000_00, scene0011_00)\n`);
    expect(out).toContain("  proposals as Mask3D masks (mask/*.npz): 1 scene (scene0011_00)\n");
    expect(out).toContain("missing: sentences of sr3d (train, val); needed only to train or test on them");
    expect(out).toContain("nothing is wrong with what is there\n");
    expect(status).toBe(0);
  });
});

describe("a download that is not complete", () => {
  test("reports on what is there, part by part", async () => {
    await download("exported folders");
    rmSync(join(data.folder, "scans", "scene0000_00", "scene0000_00_vh_clean_2.ply"));
    rmSync(join(data.folder, "scans", "scene0000_00", "color"), { recursive: true });
    data.file("scannetv2_val.txt", "scene0011_00\nscene0015_00\n");
    rmSync(join(data.folder, "scannetv2-labels.combined.tsv"));
    data.file("metadata/pcd_discrete_0.1.pkl", "x");
    const report = await checkScans(data.folder, 6);
    expect(report).toMatchObject({ scenes: 1, listed: 3, proposalFiles: 1, problems: [] });
    expect(report.missing.map((m) => m.what)).toEqual([
      "sentences of sr3d (train, val)",
      "scannetv2-labels.combined.tsv",
      `a json form of ${join("metadata", "pcd_discrete_0.1.pkl")}`,
      "frames: 1 scene (scene0000_00)",
      "<scene>_vh_clean_2.ply: 1 scene (scene0000_00)",
      "scan folder scans/<scene>: 1 scene (scene0015_00)",
    ]);
    const { status, out } = await cli("check", data.folder, "--json");
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ ok: false, scenes: 1, listed: 3 });
  });

  test("names every damaged file", async () => {
    await download("sens");
    const sens = join("scans", "scene0000_00", "scene0000_00.sens");
    data.file(sens, readFileSync(join(data.folder, sens)).subarray(0, 900));
    data.file("ScanRefer_filtered_val.json", '[{"scene_id":');
    data.file("nr3d.csv", "stimulus_id,scan_id\n");
    data.file("mask/scene0011_00.mask.npz", Buffer.from("half"));
    data.file("scannetv2-labels.combined.tsv", "");
    data.file("embodiedscan.json", "{}");
    const { problems, scenes, proposalFiles } = await checkScans(data.folder, 6);
    expect([scenes, proposalFiles]).toEqual([1, 0]);
    const named = [
      "ScanRefer_filtered_val.json: not JSON",
      "nr3d.csv: columns",
      "scannetv2-labels.combined.tsv: has no column id",
      "scene0000_00.sens: ",
      "scene0011_00.mask.npz: not a whole zip archive",
    ];
    for (const text of named) expect(problems.filter((p) => p.includes(text)).length, text).toBeGreaterThan(0);
  });

  test("counts damaged frames and names sentences that fit no object", async () => {
    await download("posed images");
    data.file("posed_images/scene0011_00/00010.png", "x");
    data.file("ScanRefer_filtered_val.json", [
      annotation("scene0011_00", 1, 0),
      { ...annotation("scene0011_00", 1, 1), object_id: "9" },
    ]);
    const { problems, damagedFrames } = await checkScans(data.folder, 6);
    expect(damagedFrames).toBe(1);
    expect(problems).toEqual([
      expect.stringMatching(
        /scene0011_00.00010\.png: not a PNG file .* \(a neighbour is read instead\): 1 time \(scene0011_00\)$/,
      ) as string,
      "scene0011_00: has objects 0 to 2, but a sentence speaks of another (take the files of one ScanNet " +
        "version): 1 time (scanrefer scene0011_00|9|1)",
    ]);
  });

  test("may be anything", async () => {
    expect(await checkScans(data.folder, 6)).toMatchObject({ scenes: 0, listed: 0, problems: [] });
    expect((await cli("check", data.folder)).status).toBe(1);
    mkdirSync(join(data.folder, "scans", "scene0001_00"), { recursive: true });
    data.file("scans/readme.txt", "x");
    data.file("scannetv2_train.txt", "\u0001");
    const report = await checkScans(data.folder, 6);
    expect(report).toMatchObject({ scenes: 0, listed: 1 });
    expect(report.problems).toEqual([
      expect.stringContaining("scannetv2_train.txt: expected scene ids such as scene0011_00") as string,
    ]);
    await expect(checkScans(join(data.folder, "none"), 6)).rejects.toThrow(
      "none is not a folder; name the folder that holds scans/",
    );
  });

  test("folders where files should be, and files where folders should be", async () => {
    await download("exported folders");
    for (const name of [
      "scannetv2_val.txt",
      "ScanRefer_filtered_train.json",
      "nr3d.csv",
      "scannetv2-labels.combined.tsv",
      "embodiedscan.json",
      join("mask", "scene0011_00.mask.npz"),
    ]) {
      rmSync(join(data.folder, name), { force: true });
      mkdirSync(join(data.folder, name));
    }
    rmSync(join(data.folder, "scans", "scene0000_00", "depth"), { recursive: true });
    data.file("scans/scene0000_00/depth", "x");
    const report = await checkScans(data.folder, 6);
    expect(report.problems.length).toBeGreaterThan(3);
    expect(report.problems.every((p) => p.length > 20)).toBe(true);
  });
});

describe("what is missing is said to whom it is missing", () => {
  const todoOf = async (): Promise<string> =>
    (await checkScans(data.folder, 6)).missing
      .filter(({ what }) => what === "scannetv2_train.txt")
      .map(({ todo }) => todo)
      .join();

  test("a validation list alone is enough to evaluate: nobody is sent for 1,201 more scenes", async () => {
    await writeScan(data.folder);
    data.file("scannetv2_val.txt", "scene0011_00\n");
    expect(await todoOf()).toMatch(/^needed only to train; take ScanNet's official list/);
    expect(splitScenes(data.folder, "train")).toEqual([]);
    expect(splitScenes(data.folder, "val")).toEqual(["scene0011_00"]);
  });

  test("a folder of other things is named, with what it holds: nobody is sent for ScanNet", async () => {
    data.file("holiday.jpg", "x");
    data.file("more/notes.txt", "x");
    const { problems, missing } = await checkScans(data.folder, 6);
    expect(missing).toEqual([]);
    expect(problems).toEqual([
      expect.stringMatching(/no scan in a layout that the lab reads; it holds "holiday.jpg", "more".*data\/README.md/),
    ]);
    // with one of ScanNet's files it is a download that goes on
    data.file("scannetv2_val.txt", "scene0011_00\n");
    expect((await checkScans(data.folder, 6)).problems).toEqual([]);
    expect(await todoOf()).toMatch(/ScanNet's official list/);
  });

  test("ARKitScenes' captures get ARKitScenes' advice", async () => {
    await writeCapture(data.folder);
    expect(await todoOf()).toMatch(
      /^needed only to train; write train\.txt with the names of the ARKitScenes scans .* or download its Training/,
    );
  });
});

describe("the command", () => {
  test("takes the folder behind check only, and one folder", async () => {
    await expect(cli("check", "a", "b")).rejects.toThrow("data: takes one action, got check a b");
    await expect(cli("check", "a", "--folder", "b")).rejects.toThrow("data: takes one action, got check a");
    await expect(cli("make", "a")).rejects.toThrow("data: takes one action, got make a");
    await expect(cli("check", join(data.folder, "none"))).rejects.toThrow("none is not a folder");
  });
});
