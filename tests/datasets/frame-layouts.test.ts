import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { UserError } from "../../lib/core/errors";
import { silent } from "../../lib/core/progress";
import { checkScans } from "../../lib/datasets/check";
import { changedParts, sceneFingerprints } from "../../lib/datasets/fingerprint";
import { openScene, readView } from "../../lib/datasets/scannet";
import { ask } from "../../lib/eval/ask";
import { type ScanForm, scanForms, tumTimes, writePhoneScan } from "../setup/formats/phone-scan";
import { dataFolder } from "../setup/formats/scan";

let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
  rmSync(join(data.folder, "dataset.json"));
});
afterEach(() => data.remove());

const id = "kitchen";
const frameCount = 12;
/** Where the frames of the scan lie in the data folder. */
const placeOf = (form: ScanForm): string => (form === "exported folders" ? join("scannet_frames_25k", id) : id);
async function write(form: ScanForm): Promise<string> {
  const place = join(data.folder, placeOf(form));
  await writePhoneScan(place, frameCount, form);
  return place;
}

describe.each(scanForms)("a scan as %s", (form) => {
  test("with boxes alone is recognised, sound and read as the camera saw it", async () => {
    await write(form);
    const report = await checkScans(data.folder, 64);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ scenes: 1, frames: frameCount, skippedFrames: 0, damagedFrames: 0 });
    expect(report.recognised).toContain(`frames as ${form}: 1 scene (${id})`);
    expect(report.geometry[id]!.neighbours).toBeGreaterThan(0.9);
    const scene = openScene(data.folder, id);
    expect(scene.intrinsics).toEqual({ fx: 130, fy: 130, cx: 80, cy: 60 });
    expect(scene.objects.map(({ label }) => label)).toEqual(["cabinet", "cabinet", "desk"]);
    const [x, y, z] = [3, 7, 11].map((i) => scene.poses[0]![i]!);
    expect([x, y, z].map((c) => Number(c!.toFixed(4)))).toEqual([0.2, 0, 1.5]);
    const view = await readView(scene, scene.frames[0]!, 120);
    // every ninth pixel has no depth, the wall is at most as far as the room is long
    const known = view.depth.filter((d) => d > 0);
    expect(known.length / view.depth.length).toBeCloseTo(8 / 9, 2);
    expect(Math.max(...known)).toBeLessThan(6);
    expect(Math.min(...known)).toBeGreaterThan(0.5);
  });

  test("is known by each of its files: another pose, image, camera or box is said by name", async () => {
    const place = await write(form);
    const find = (pattern: RegExp): string[] =>
      (readdirSync(place, { recursive: true }) as string[])
        .filter((name) => /\.\w+$/.test(name) && pattern.test(name))
        .sort()
        .map((name) => join(place, name));
    const look = () => sceneFingerprints(data.folder, [id]).get(id)!;
    const swap = ([a, , b]: string[]): void => copyFileSync(b!, a!);
    const changes: readonly (readonly [part: string, change: () => void])[] = [
      ["colour", () => swap(find(/(?:color|rgb)[/.].*(?:jpg|png)$|\.color\./))],
      ["depth", () => swap(find(/depth\/.*png$|\.depth\./))],
      [
        "poses",
        () => {
          const poses = find(/pose|groundtruth/);
          if (poses.length > 1) swap(poses);
          else writeFileSync(poses[0]!, readFileSync(poses[0]!, "utf8").replace(/ 1\.5/, " 1.6"));
        },
      ],
      [
        "cameras",
        () => {
          const [camera] = find(/_info\.txt$|intrinsics(?:_depth)?\.txt$/);
          writeFileSync(camera!, readFileSync(camera!, "utf8").replace("130", "131"));
        },
      ],
      ["objects", () => data.edit(join(placeOf(form), "boxes.json"), (t) => t.replace("desk", "sofa"))],
    ];
    for (const [part, change] of changes) {
      const before = look();
      change();
      expect(changedParts(before, look())).toEqual([part]);
    }
  });
});

test("how depth is read is a value of the data: scale, what marks a hole, how far is far", async () => {
  await write("7-Scenes");
  const depthOf = async (...set: string[]): Promise<Float32Array> => {
    const { depth } = resolveConfig({ preset: "nano", set }).data;
    const scene = openScene(data.folder, id, { depth });
    return (await readView(scene, scene.frames[0]!, 120)).depth;
  };
  const plain = await depthOf();
  const [most] = [...plain].sort((a, b) => b - a);
  const halved = await depthOf("data.depth.scale=2000");
  expect(Math.max(...halved)).toBeCloseTo(most! / 2, 5);
  const near = await depthOf(`data.depth.far=${most! - 0.5}`);
  expect(Math.max(...near)).toBeLessThanOrEqual(most! - 0.5);
  // the layout's own mark, 65535, gives way to the one that is named: the holes are then 65 m away, which is refused
  await expect(depthOf("data.depth.invalid=[1]")).rejects.toThrow(/of its depth beyond 20 m \(up to 65\.5 m\)/);
  data.file("dataset.json", { depth: { scale: 2000 } });
  expect(await depthOf()).toEqual(halved);
  expect(await depthOf("data.depth.scale=1000")).toEqual(plain);
});

describe("TUM RGB-D", () => {
  const truth = join(id, "groundtruth.txt");

  test("matches times within 20 ms: a lost pose costs its frame, and so does a lost image", async () => {
    await write("TUM RGB-D");
    const line = (i: number): RegExp => new RegExp(`^${tumTimes(i)[2].replace(".", "\\.")} .*\n`, "m");
    data.edit(truth, (t) => t.replace(line(2), ""));
    data.edit(truth, (t) => t.replace(line(3), `${tumTimes(3)[2]} nan nan nan nan nan nan nan\n`));
    rmSync(join(data.folder, id, "rgb", `${tumTimes(5)[1]}.png`));
    const scene = openScene(data.folder, id);
    expect(scene.frames.length).toBe(frameCount - 3);
    expect([...scene.leftOut].sort()).toEqual([
      [tumTimes(2)[0], "has no pose of its time"],
      [tumTimes(3)[0], "has a pose that is not finite"],
      [tumTimes(5)[0], "has no colour image"],
    ]);
  });

  test.each<[string, (t: string) => string, RegExp]>([
    ["cut off", (t) => t.slice(0, -30), /groundtruth\.txt: line 14 must have 8 numbers .*, got "1305031103\.194/],
    ["in another form", (t) => t.replace(/ /g, ";"), /groundtruth\.txt: line 3 must have 8 numbers/],
  ])("poses that are %s name their line", async (_, change, message) => {
    await write("TUM RGB-D");
    data.edit(truth, change);
    expect(() => openScene(data.folder, id)).toThrow(UserError);
    expect(() => openScene(data.folder, id)).toThrow(message);
  });

  test("without poses says which file holds them; without intrinsics takes the owners' camera", async () => {
    await write("TUM RGB-D");
    rmSync(join(data.folder, id, "intrinsics.txt"));
    expect(openScene(data.folder, id).intrinsics).toEqual({ fx: 525, fy: 525, cx: 319.5, cy: 239.5 });
    rmSync(join(data.folder, truth));
    expect(() => openScene(data.folder, id)).toThrow(/groundtruth\.txt is missing: expected the camera's poses/);
  });
});

describe("SensReader's frames", () => {
  test("a depth image that is cut off, or of 8 bits, costs that frame", async () => {
    const place = await write("SensReader frames");
    const [a, b] = [0, 1].map((i) => join(place, `frame-00000${i}.depth.pgm`)) as [string, string];
    writeFileSync(a, readFileSync(a).subarray(0, 1000));
    writeFileSync(b, "P5\n160 120\n255\n");
    const scene = openScene(data.folder, id);
    await expect(readView(scene, "000000", 64)).rejects.toThrow(/has 983 bytes of pixels, expected 38400 for 160x120/);
    await expect(readView(scene, "000001", 64)).rejects.toThrow("expected a binary 16-bit PGM (P5)");
    expect((await readView(scene, "000002", 64)).depth.length).toBe(64 * 64);
  });

  test("without the camera in _info.txt says what to write", async () => {
    await write("SensReader frames");
    data.file(join(id, "_info.txt"), "m_versionNumber = 4\n");
    expect(() => openScene(data.folder, id)).toThrow(/intrinsics\.txt is missing: expected the depth camera's/);
  });
});

describe("captures in other forms are named with what to convert", () => {
  const into = "convert it to color/<n>.jpg, depth/<n>.png (16 bit, millimetres), pose/<n>.txt";
  test.each<[string, readonly string[], readonly string[]]>([
    ["Record3D, as one file", ["scan.r3d"], ["Record3D capture", "lzfse", into]],
    ["Record3D, unpacked", ["metadata", "rgbd/0.jpg", "rgbd/0.depth"], ["Record3D capture", into]],
    [
      "an ARKit app's",
      ["frame_00000.jpg", "frame_00000.json"],
      ["capture of an ARKit app", "diag(1, -1, -1, 1)", into],
    ],
    ["an ARKit app's keyframes", ["keyframes/images/1.jpg", "mesh_info.json"], ["capture of an ARKit app", into]],
    ["Stray Scanner's", ["rgb.mp4", "odometry.csv", "depth/000000.png"], ["Stray Scanner capture", into]],
    [
      "ScanNet++'s",
      ["iphone/rgb.mkv", "dslr/nerfstudio/transforms.json"],
      ["scan of ScanNet++", "convert them to color"],
    ],
    ["Nerfstudio's", ["transforms.json", "images/frame_00001.png"], ["radiance fields", "diag(1, -1, -1, 1)"]],
    ["7-Scenes' sequences", ["seq-01/frame-000000.color.png"], ["name kitchen as the data folder"]],
  ])("%s", async (_, files, words) => {
    for (const file of files) data.file(join("scans", id, file), "x");
    data.file("val.txt", `${id}\n`);
    const { problems, missing } = await checkScans(data.folder, 64);
    const said = problems.join("\n");
    for (const word of words) expect(said).toContain(word);
    expect([...problems, ...missing.map(({ todo }) => todo)].join(" ")).not.toMatch(/\.sens|ScanNet's official/);
    expect(() => openScene(data.folder, id)).toThrow(words[0]!);
  });

  test.each([
    ["beside each other", (name: string) => name],
    ["in a folder each", (name: string) => join("walk", name)],
    ["in scans/", (name: string) => join("scans", "walk", name)],
  ])("%s, without any list", async (_, place) => {
    data.file(place("scan.r3d"), "x");
    const { problems, missing } = await checkScans(data.folder, 64);
    expect(problems.length).toBe(1);
    expect(problems[0]).toContain("is a Record3D capture");
    expect(problems[0]).toContain(into);
    expect(missing.map(({ what }) => what)).not.toContain("scans");
    const answerer = { name: "x", config: resolveConfig({ preset: "nano" }), parameters: new Map(), maxNewTokens: 1 };
    await expect(ask(answerer, data.folder, undefined, "the desk", silent)).rejects.toThrow("is a Record3D capture");
  });

  test("and a folder of none lists the layouts that are read", () => {
    const file = data.file(join("scans", id, "notes.txt"), "x");
    expect(existsSync(dirname(file))).toBe(true);
    mkdirSync(join(data.folder, "empty"));
    expect(() => openScene(data.folder, id)).toThrow(
      /has no frames; put kitchen\.sens there, its export .*7-Scenes or TUM/,
    );
  });
});
