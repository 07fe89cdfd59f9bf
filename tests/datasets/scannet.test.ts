import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { uniformFrames } from "../../lib/datasets/frame-sampling";
import { finishedRoom } from "../../lib/datasets/rooms/scan";
import { openScene, readSceneList, readView, readViews, squareCrop } from "../../lib/datasets/scannet";
import { unproject } from "../../lib/geometry/camera";
import { encodePng16 } from "../../lib/io/png16";
import { smallConfig, smallRooms } from "./small-rooms";

const id = "scene0001_00";
let rooms: Awaited<ReturnType<typeof smallRooms>>;
beforeAll(async () => {
  rooms = await smallRooms();
});
afterAll(() => rooms.remove());

/** A copy of the data with one file of the scan changed, and the scene's folder in it. */
function changed(change: (scan: string) => void): string {
  const folder = rooms.copy();
  change(join(folder, "scans", id));
  return folder;
}

const edit = (file: string, change: (text: string) => string): void =>
  writeFileSync(file, change(readFileSync(file, "utf8")));

describe("a good scene", () => {
  test("gives boxes in the aligned world, as the maker placed them", () => {
    const scene = openScene(rooms.folder, id);
    const record = finishedRoom(rooms.folder, id, smallConfig)!;
    expect(scene.aligned).toBe(true);
    expect(scene.objects.map((o) => o.id)).toEqual(record.objects.map((_, i) => i));
    scene.objects.forEach((o, i) => {
      expect(o.label).toBe(record.objects[i]!.label);
      // float32 vertices and six decimals of the alignment
      o.box.forEach((x, k) => expect(x).toBeCloseTo(record.objects[i]!.box[k]!, 4));
    });
  });

  test("skips and counts the frame with an infinite pose", () => {
    const scene = openScene(rooms.folder, id);
    expect(scene.frames.length).toBe(3);
    expect(scene.skippedFrames.length).toBe(1);
    expect(scene.poses.length).toBe(3);
    expect(scene.poses.every((p) => p.every(Number.isFinite))).toBe(true);
  });

  test("sorts frames by number, not by text", () => {
    const scene = openScene(rooms.folder, id);
    const numbers = [...scene.frames].map(Number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  test("measured pixels lie inside the room, up to noise", async () => {
    const scene = openScene(rooms.folder, id);
    const [w, d, h] = finishedRoom(rooms.folder, id, smallConfig)!.size;
    let inside = 0;
    let all = 0;
    for (const view of await readViews(scene, scene.frames, 48)) {
      const world = unproject(view.depth, 48, 48, view.intrinsics, view.pose);
      for (let i = 0; i < world.length; i += 3) {
        if (Number.isNaN(world[i]!)) continue;
        all++;
        if (
          Math.abs(world[i]!) < w / 2 + 0.1 &&
          Math.abs(world[i + 1]!) < d / 2 + 0.1 &&
          world[i + 2]! > -0.1 &&
          world[i + 2]! < h + 0.1
        )
          inside++;
      }
    }
    expect(inside / all).toBeGreaterThan(0.99);
    // 6% of the pixels are holes
    expect(all / (3 * 48 * 48)).toBeGreaterThan(0.9);
    expect(all / (3 * 48 * 48)).toBeLessThan(0.97);
  });

  test("the other export layout reads the same", async () => {
    const folder = changed((scan) => {
      for (const [sub, suffix] of [
        ["color", "jpg"],
        ["depth", "png"],
        ["pose", "txt"],
      ] as const) {
        [0, 20, 40, 60].forEach((n, i) =>
          renameSync(join(scan, sub, `${n}.${suffix}`), join(scan, `${String(i).padStart(5, "0")}.${suffix}`)),
        );
        rmSync(join(scan, sub), { recursive: true });
      }
      renameSync(join(scan, "intrinsic", "intrinsic_depth.txt"), join(scan, "depth_intrinsic.txt"));
    });
    const [there, here] = [openScene(folder, id), openScene(rooms.folder, id)];
    expect(there.frames.length).toBe(3);
    const a = await readView(there, there.frames[2]!, 48);
    const b = await readView(here, here.frames[2]!, 48);
    expect({ ...a, frame: "" }).toEqual({ ...b, frame: "" });
  });

  test("without axisAlignment the identity is used and said", () => {
    const folder = changed((scan) => edit(join(scan, `${id}.txt`), (text) => text.replace(/^axisAlignment.*\n/, "")));
    const scene = openScene(folder, id);
    expect(scene.aligned).toBe(false);
    expect([...scene.alignment]).toEqual([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  });
});

describe("resizing", () => {
  test("keeps the middle square (paper.md 2.1.5)", () => {
    expect(squareCrop(640, 480, 384)).toEqual({ cols: 512, rows: 384, left: 64, top: 0, size: 384 });
    expect(squareCrop(480, 640, 384)).toEqual({ cols: 384, rows: 512, left: 0, top: 64, size: 384 });
    expect(squareCrop(112, 112, 112)).toEqual({ cols: 112, rows: 112, left: 0, top: 0, size: 112 });
  });

  test("depth, intrinsics and world points agree before and after", async () => {
    // a wide frame: 96x48 depth, 192x96 colour; depth grows along columns
    const folder = changed((scan) => {
      const depth = Uint16Array.from({ length: 96 * 48 }, (_, i) => 1000 + 10 * (i % 96));
      writeFileSync(join(scan, "depth", "0.png"), encodePng16({ rows: 48, cols: 96, pixels: depth }));
      writeFileSync(join(scan, "intrinsic", "intrinsic_depth.txt"), "50 0 47.5 0\n0 50 23.5 0\n0 0 1 0\n0 0 0 1\n");
      writeFileSync(join(scan, "pose", "0.txt"), "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n");
    });
    const jpg = await sharp(new Uint8Array(192 * 96 * 3).fill(90), { raw: { width: 192, height: 96, channels: 3 } })
      .jpeg()
      .toBuffer();
    writeFileSync(join(folder, "scans", id, "color", "0.jpg"), jpg);
    const view = await readView(openScene(folder, id), "0", 24);
    expect(view.colour.length).toBe(24 * 24 * 3);
    // half size: 48x24, of which columns 12..35 are kept, so pixel 0 is column 24 of the file
    expect(view.intrinsics).toEqual({ fx: 25, fy: 25, cx: 47.5 / 2 - 12, cy: 23.5 / 2 });
    expect(view.depth[0]).toBeCloseTo(1.24, 6);
    expect(view.depth[23]).toBeCloseTo(1 + 0.01 * (2 * 23 + 24), 6);
  });
});

describe("uniform frames", () => {
  test("are trunc(linspace)", () => {
    expect(uniformFrames(12, 8)).toEqual([0, 1, 3, 4, 6, 7, 9, 11]);
    expect(uniformFrames(100, 4)).toEqual([0, 33, 66, 99]);
    expect(uniformFrames(3, 5)).toEqual([0, 0, 1, 1, 2]);
    expect(uniformFrames(9, 1)).toEqual([0]);
  });

  test("of nothing are an error", () => {
    expect(() => uniformFrames(0, 3)).toThrow("uniform sampling needs at least one frame, got 3 of 0");
  });
});

describe("bad scenes", () => {
  test.each<[string, (scan: string) => void, string]>([
    [
      "no frames",
      (s) => {
        for (const sub of ["color", "depth"]) {
          rmSync(join(s, sub), { recursive: true });
          mkdirSync(join(s, sub));
        }
      },
      "got 0 colour and 0 depth",
    ],
    [
      "no finite pose",
      (s) => {
        for (const n of [0, 20, 40, 60]) writeFileSync(join(s, "pose", `${n}.txt`), "nan ".repeat(16));
      },
      "none of its 4 frames can be used: 4 has a pose that is not finite",
    ],
    [
      "intrinsics of a wrong size",
      (s) => writeFileSync(join(s, "intrinsic", "intrinsic_depth.txt"), "1 2 3"),
      "intrinsic_depth.txt: expected 16 numbers (4x4) or 9 (3x3), got 3",
    ],
    [
      "no intrinsics",
      (s) => {
        rmSync(join(s, "intrinsic", "intrinsic_depth.txt"));
        // the scan's facts would stand in for it
        edit(join(s, `${id}.txt`), (t) => t.replace(/^.*_depth = .*\n/gm, ""));
      },
      "intrinsic_depth.txt is missing: expected the depth camera's intrinsics",
    ],
    [
      "a broken alignment",
      (s) => edit(join(s, `${id}.txt`), (t) => t.replace(/^axisAlignment = \S+ /, "axisAlignment = ")),
      "axisAlignment must be 16 finite numbers (row-major 4x4), got 15",
    ],
    [
      "object ids with a gap",
      (s) => edit(join(s, `${id}.aggregation.json`), (t) => t.replace('"objectId":2,', '"objectId":99,')),
      "object ids must be 0 to",
    ],
    [
      "a mesh of another version",
      (s) =>
        edit(join(s, `${id}_vh_clean_2.0.010000.segs.json`), (t) => t.replace('"segIndices":[0,', '"segIndices":[')),
      "the two belong to different versions of the scan",
    ],
    [
      "an object without vertices",
      (s) => edit(join(s, `${id}.aggregation.json`), (t) => t.replace(/"segments":\[[^\]]*\]/, '"segments":[99999]')),
      "has segment 99999, which no vertex of",
    ],
    [
      "a vertex that is not a number",
      (s) => {
        const file = join(s, `${id}_vh_clean_2.ply`);
        const bytes = readFileSync(file);
        bytes.writeFloatLE(NaN, bytes.indexOf("end_header\n") + 11);
        writeFileSync(file, bytes);
      },
      "has a vertex that is not a number",
    ],
    ["no mesh", (s) => rmSync(join(s, `${id}_vh_clean_2.ply`)), "_vh_clean_2.ply is missing: expected the scan's mesh"],
    [
      "no objects file",
      (s) => rmSync(join(s, `${id}.aggregation.json`)),
      "aggregation.json is missing: expected the scan's objects",
    ],
    [
      "an objects file that is no JSON",
      (s) => writeFileSync(join(s, `${id}.aggregation.json`), "{"),
      "aggregation.json: not JSON",
    ],
    [
      "an objects file without objects",
      (s) => writeFileSync(join(s, `${id}.aggregation.json`), "{}"),
      "aggregation.json: segGroups: Invalid input: expected array",
    ],
    [
      "a segments file without segments",
      (s) => writeFileSync(join(s, `${id}_vh_clean_2.0.010000.segs.json`), "{}"),
      "segs.json: segIndices: Invalid input: expected array",
    ],
  ])("%s", (_, change, message) => {
    const folder = changed(change);
    expect(() => openScene(folder, id)).toThrow(UserError);
    expect(() => openScene(folder, id)).toThrow(message);
  });

  test("one missing image, pose, or number of a pose costs that frame and says which", () => {
    const without = (change: (scan: string) => void): unknown => {
      const { frames, leftOut } = openScene(changed(change), id);
      return [frames, [...leftOut]];
    };
    const lost = ["40", "has a pose that is not finite"];
    expect(without((s) => rmSync(join(s, "depth", "20.png")))).toEqual([
      ["0", "60"],
      [["20", "has no depth image"], lost],
    ]);
    expect(without((s) => rmSync(join(s, "color", "20.jpg")))).toEqual([
      ["0", "60"],
      [["20", "has no colour image"], lost],
    ]);
    expect(without((s) => rmSync(join(s, "pose", "20.txt")))).toEqual([
      ["0", "60"],
      [["20", "has no pose file"], lost],
    ]);
    expect(without((s) => writeFileSync(join(s, "pose", "20.txt"), "1 0 0 0"))).toEqual([
      ["0", "60"],
      [["20", "has a pose of 4 numbers instead of 16"], lost],
    ]);
  });

  test("an unknown id, with a suggestion", () => {
    expect(() => openScene(rooms.folder, "scene0001_01")).toThrow(
      /^scene "scene0001_01" is not in .*scans \(2 scenes, did you mean "scene0001_00"\?\)/,
    );
  });

  test.each<[string, (scan: string) => void, string]>([
    [
      "a truncated depth image",
      (s) => writeFileSync(join(s, "depth", "0.png"), readFileSync(join(s, "depth", "0.png")).subarray(0, 500)),
      "0.png: the PNG is cut off (500 bytes); export this frame again",
    ],
    [
      "a truncated colour image",
      (s) => writeFileSync(join(s, "color", "0.jpg"), readFileSync(join(s, "color", "0.jpg")).subarray(0, 400)),
      "0.jpg: the image does not decode",
    ],
    [
      "a focal length of 0",
      (s) => writeFileSync(join(s, "intrinsic", "intrinsic_depth.txt"), "0 0 24 0 40 24 0 0 1"),
      "must have a focal length above 0",
    ],
    [
      "an infinite focal length",
      (s) => writeFileSync(join(s, "intrinsic", "intrinsic_depth.txt"), "inf 0 24 0 40 24 0 0 1"),
      "must be finite numbers",
    ],
    [
      "a principal point outside",
      (s) => writeFileSync(join(s, "intrinsic", "intrinsic_depth.txt"), "40 0 240 0 40 24 0 0 1"),
      "have their principal point outside the image (fx 40, fy 40, cx 240, cy 24, image 48x48)",
    ],
  ])("%s", async (_, change, message) => {
    const scene = openScene(
      changed((s) => {
        writeFileSync(join(s, "pose", "0.txt"), "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1");
        change(s);
      }),
      id,
    );
    await expect(readView(scene, "0", 48)).rejects.toThrow(message);
  });

  test("a frame that is gone, that does not exist, and that has no pose", async () => {
    const folder = rooms.copy();
    const scene = openScene(folder, id);
    await expect(readView(scene, "7", 48)).rejects.toThrow("frame 7 does not exist; choose one of its 3 frames");
    await expect(readView(scene, scene.skippedFrames[0]!, 48)).rejects.toThrow("has a pose that is not finite");
    rmSync(scene.source.colour(scene.frames[0]!).origin);
    await expect(readView(scene, scene.frames[0]!, 48)).rejects.toThrow(
      /\.jpg: cannot be read \(ENOENT\); export this frame again/,
    );
  });

  test("scene lists", () => {
    expect(readSceneList(join(rooms.folder, "scannetv2_val.txt"))).toEqual([id]);
    const file = join(rooms.copy(), "list.txt");
    expect(() => readSceneList(file)).toThrow("list.txt is missing: expected a list of scene ids");
    writeFileSync(join(dirname(file), "List.TXT"), "scene0001_00\n");
    expect(() => readSceneList(file)).toThrow(
      "list.txt is missing (there is List.TXT: capitals count): expected a list",
    );
    writeFileSync(file, "scene0001_00\nroom 2\n");
    expect(() => readSceneList(file)).toThrow('expected scene ids such as scene0011_00, one a line, got "room 2"');
    writeFileSync(file, Buffer.from("\ufeffscene0001_00\r\n", "utf16le"));
    expect(() => readSceneList(file)).toThrow(
      "list.txt: is no UTF-8 text, expected a list of scene ids, one a line (Windows' PowerShell writes UTF-16); save",
    );
    writeFileSync(file, "\n");
    expect(() => readSceneList(file)).toThrow("one a line, got none");
  });
});
