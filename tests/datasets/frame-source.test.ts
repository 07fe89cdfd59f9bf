import { mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { changedParts, sceneFingerprints } from "../../lib/datasets/fingerprint";
import { readLabels } from "../../lib/datasets/objects";
import { DamagedFrame, openScene, readView, readWholeViews } from "../../lib/datasets/scannet";
import {
  alignedPoseOf,
  columns,
  dataFolder,
  depthIntrinsics,
  depthOf,
  greyOf,
  layouts,
  objects,
  plyFile,
  rows,
  type ScanSpec,
  scanVertices,
  writeScan,
} from "../setup/formats/scan";
import { sensFile } from "../setup/formats/sens";

const id = "scene0011_00";
let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());
const scan = (name: string): string => join("scans", id, name);

describe.each(layouts)("a scan as %s", (layout) => {
  test("gives objects, cameras and images", async () => {
    await writeScan(data.folder, { layout });
    const scene = openScene(data.folder, id);
    expect(scene.source.kind).toBe(layout);
    expect(scene.objects).toEqual(objects.map(({ label, box }, i) => ({ id: i, label, box })));
    expect([scene.frames.length, scene.skippedFrames, scene.aligned]).toEqual([4, [], true]);
    expect(scene.intrinsics).toEqual({
      fx: depthIntrinsics[0],
      fy: depthIntrinsics[1],
      cx: depthIntrinsics[2],
      cy: depthIntrinsics[3],
    });
    expect(scene.poses.map((p) => [...p])).toEqual([0, 1, 2, 3].map((i) => alignedPoseOf(i)));
    const view = await readView(scene, scene.frames[3]!, rows);
    expect(new Set(view.depth)).toEqual(new Set([Math.fround(depthOf(3) / 1000)]));
    // jpeg at quality 100 of a flat grey
    expect([...new Set(view.colour)].every((x) => Math.abs(x - greyOf(3)) <= 1)).toBe(true);
    expect(view.intrinsics.cx).toBe(depthIntrinsics[2] - (columns - rows) / 2);
  });

  test("skips and counts frames whose pose is infinite", async () => {
    await writeScan(data.folder, { layout, lost: [0, 2] });
    const scene = openScene(data.folder, id);
    expect([scene.frames.map(Number), scene.skippedFrames.map(Number)]).toEqual(
      layout === "posed images"
        ? [
            [10, 30],
            [0, 20],
          ]
        : [
            [1, 3],
            [0, 2],
          ],
    );
    expect([...scene.poses[1]!]).toEqual(alignedPoseOf(3));
  });

  test("without any finite pose is an error", async () => {
    await writeScan(data.folder, { layout, lost: [0, 1, 2, 3] });
    expect(() => openScene(data.folder, id)).toThrow(
      "none of its 4 frames can be used: 4 has a pose that is not finite; export the frames and poses again",
    );
  });

  test("a damaged colour or depth image is left out and counted", async () => {
    await writeScan(data.folder, { layout, frames: 5 });
    if (layout === "sens") {
      const path = join(data.folder, scan(`${id}.sens`));
      const bytes = readFileSync(path);
      const starts: number[] = [];
      for (let i = 0; i < 5; i++) starts.push(bytes.indexOf(Buffer.from([0xff, 0xd8, 0xff]), (starts[i - 1] ?? 0) + 1));
      bytes.fill(0, starts[1], starts[1]! + 40); // colour of frame 1
      bytes.fill(0, starts[4]! - 120, starts[4]! - 96); // the end of frame 3's depth
      writeFileSync(path, bytes);
    } else {
      const [colour, depth] =
        layout === "posed images"
          ? [`posed_images/${id}/00010.jpg`, `posed_images/${id}/00030.png`]
          : [scan("color/1.jpg"), scan("depth/3.png")];
      data.file(colour, "not a picture");
      data.file(depth, readFileSync(join(data.folder, depth)).subarray(0, 60));
    }
    const scene = openScene(data.folder, id);
    await expect(readView(scene, scene.frames[1]!, rows)).rejects.toThrow(DamagedFrame);
    await expect(readView(scene, scene.frames[3]!, rows)).rejects.toThrow(DamagedFrame);
    const { views, damaged } = await readWholeViews(scene, scene.frames, rows);
    expect(damaged.map((f) => scene.frames.indexOf(f)).sort()).toEqual([1, 3]);
    // the later neighbour comes first
    expect(views.map((v) => scene.frames.indexOf(v.frame))).toEqual([0, 2, 2, 4, 4]);
  });
});

describe("frames", () => {
  test("that are all damaged are an error that says why", async () => {
    await writeScan(data.folder, { frames: 2 });
    for (const n of [0, 1]) data.file(scan(`depth/${n}.png`), "x");
    const scene = openScene(data.folder, id);
    await expect(readWholeViews(scene, ["0"], rows)).rejects.toThrow(
      /none of its 2 frames can be read; the first says: .*0\.png: not a PNG file/,
    );
    await expect(readWholeViews(scene, ["9"], rows)).rejects.toThrow(
      "frame 9 does not exist; choose one of its 2 frames",
    );
  });

  test("whose colour image has another shape than the depth image do not show the same", async () => {
    await writeScan(data.folder);
    // 16:9 beside 4:3, and upright beside lying
    const grey = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: "#777" } })
        .jpeg()
        .toBuffer();
    data.file(scan("color/1.jpg"), await grey(64, 36));
    data.file(scan("color/2.jpg"), await grey(12, 16));
    // 1296x968 beside 640x480, as ScanNet's are
    data.file(scan("color/3.jpg"), await grey(1296, 968));
    const scene = openScene(data.folder, id);
    for (const frame of ["1", "2"]) await expect(readView(scene, frame, rows)).rejects.toThrow(DamagedFrame);
    await expect(readView(scene, "1", rows)).rejects.toThrow(
      /1\.jpg: is 64x36 where the depth image is 8x6, .* \(33\.3 %, expected at most 5 %, checks\.aspect\)/,
    );
    expect((await readWholeViews(scene, ["0", "1", "2", "3"], rows)).damaged).toEqual(["1", "2"]);
    const checks = { aspect: 0.5 };
    expect((await readView(openScene(data.folder, id, { checks }), "1", rows)).depth.length).toBe(rows * rows);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["in brackets", "[[1 0 0 0]\n [0 1 0 0]\n [0 0 1 0]\n [0 0 0 1]]", 'has a pose file with "[[1" in it'],
    ["named by axis", "x 1 y 2 z 3", 'has a pose file with "x" in it'],
    ["of UTF-16", Buffer.from(`\ufeff${"1 ".repeat(16)}`, "utf16le"), "has a pose file that is no UTF-8 text"],
    ["lost, as Windows writes it", "-1.#INF ".repeat(16), "has a pose that is not finite"],
    ["lost", "nan -inf Infinity NaN ".repeat(4), "has a pose that is not finite"],
    ["in a text of another kind", "<html>not found</html>", 'has a pose file with "<html>not" in it'],
  ])("whose pose is %s are left out for that reason", async (_, content, why) => {
    await writeScan(data.folder);
    data.file(scan("pose/1.txt"), content);
    expect([...openScene(data.folder, id).leftOut]).toEqual([["1", why]]);
  });

  test("with Windows' line ends and endings in capitals are the same frames", async () => {
    await writeScan(data.folder);
    const wanted = openScene(data.folder, id);
    const view = await readView(wanted, "2", rows);
    const seen = sceneFingerprints(data.folder, [id]).get(id)!;
    for (const n of [0, 1, 2, 3]) {
      renameSync(join(data.folder, scan(`color/${n}.jpg`)), join(data.folder, scan(`color/${n}.JPG`)));
      renameSync(join(data.folder, scan(`depth/${n}.png`)), join(data.folder, scan(`depth/${n}.PNG`)));
      data.edit(scan(`pose/${n}.txt`), (t) => t.replaceAll("\n", "\r\n"));
    }
    for (const name of ["intrinsic/intrinsic_depth.txt", `${id}.txt`])
      data.edit(scan(name), (t) => t.replaceAll("\n", "\r\n"));
    const scene = openScene(data.folder, id);
    for (const key of ["frames", "poses", "intrinsics", "alignment", "objects"] as const)
      expect(scene[key]).toEqual(wanted[key]);
    expect(await readView(scene, "2", rows)).toEqual(view);
    expect(changedParts(seen, sceneFingerprints(data.folder, [id]).get(id)!).sort()).toEqual([
      "cameras",
      "colour",
      "depth",
      "poses",
    ]);
  });

  test("wrong intrinsics are no damage of a frame", async () => {
    await writeScan(data.folder);
    data.file(scan("intrinsic/intrinsic_depth.txt"), "0 0 4 0 7 3 0 0 1");
    const scene = openScene(data.folder, id);
    await expect(readWholeViews(scene, ["0"], rows)).rejects.toThrow("must have a focal length above 0");
  });

  test(
    "depth intrinsics come from the scan's facts where the export has none, and are asked for where nothing " +
      "has them",
    async () => {
      await writeScan(data.folder, { layout: "posed images" });
      unlinkSync(join(data.folder, "posed_images", id, "depth_intrinsic.txt"));
      expect(openScene(data.folder, id).intrinsics).toEqual({ fx: 7, fy: 7.5, cx: 3.5, cy: 2.5 });
      data.edit(scan(`${id}.txt`), (t) => t.replace(/fx_depth.*\n/, ""));
      expect(() => openScene(data.folder, id)).toThrow(
        "depth_intrinsic.txt is missing: expected the depth camera's intrinsics, 4x4 or 3x3 numbers, or " +
          `"fx fy cx cy"; write them there, or put ${id}.txt`,
      );
      data.file("embodiedscan.json", {
        [`scannet/${id}`]: {
          images: [`scannet/posed_images/${id}/00000.jpg`],
          depth_cam2img: [
            [9, 0, 3, 0],
            [0, 9, 2, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 1],
          ],
        },
      });
      expect(openScene(data.folder, id).intrinsics).toEqual({ fx: 9, fy: 9, cx: 3, cy: 2 });
    },
  );

  test.each(layouts)("EmbodiedScan's index says which are used (%s)", async (layout) => {
    await writeScan(data.folder, { layout, frames: 21, lost: [10] });
    const step = layout === "posed images" ? 10 : 1;
    const image = (n: number): string => `scannet/posed_images/${id}/${String(n * step).padStart(5, "0")}.jpg`;
    data.file("embodiedscan.json", {
      [`scannet/${id}`]: {
        images: [image(0), image(10), image(20)],
        axis_align_matrix: [
          [1, 0, 0, 0],
          [0, 1, 0, 0],
          [0, 0, 1, 0],
          [0, 0, 0, 1],
        ],
      },
      "scannet/scene0000_00": { images: [] },
    });
    const scene = openScene(data.folder, id);
    expect([scene.frames.map(Number), scene.skippedFrames.map(Number)]).toEqual([[0, 20 * step], [10 * step]]);
    data.file("embodiedscan.json", { [`scannet/${id}`]: { images: [image(0), image(30)] } });
    // one missing frame costs that frame; none left is an error
    const some = openScene(data.folder, id);
    expect(some.frames.map(Number)).toEqual([0]);
    expect(some.leftOut).toEqual(new Map([[String(30 * step), "is listed in embodiedscan.json and not there"]]));
    data.file("embodiedscan.json", { [`scannet/${id}`]: { images: [image(30)] } });
    expect(() => openScene(data.folder, id)).toThrow(
      `has none of the 1 frames that embodiedscan.json lists for ${id}; export the frames`,
    );
  });

  test.each<[string, unknown, string]>([
    ["no object", [], "embodiedscan.json: Invalid input: expected record, received array"],
    [
      "a matrix of three rows",
      {
        a: {
          images: [],
          axis_align_matrix: [
            [1, 0, 0, 0],
            [0, 1, 0, 0],
            [0, 0, 1, 0],
          ],
        },
      },
      "embodiedscan.json: a.axis_align_matrix:",
    ],
    [
      "an image without a number",
      { [id]: { images: ["x.jpg"] } },
      `embodiedscan.json: ${id}: image "x.jpg" has no frame number such as 00010.jpg`,
    ],
    ["a pickle under its name", "\u0080\u0004.", "embodiedscan.json: not JSON"],
  ])("an index that is %s is refused", async (_, content, message) => {
    await writeScan(data.folder);
    data.file("embodiedscan.json", content);
    expect(() => openScene(data.folder, id)).toThrow(UserError);
    expect(() => openScene(data.folder, id)).toThrow(message);
  });
});

describe("bad scans", () => {
  const bad = async (change: () => void, message: string, spec: ScanSpec = {}): Promise<void> => {
    await writeScan(data.folder, spec);
    change();
    expect(() => openScene(data.folder, id)).toThrow(UserError);
    expect(() => openScene(data.folder, id)).toThrow(message);
  };

  test.each(["../scene0011_00", "scans/../../x", "..", "", "scene 1", "scene0011_00\0"])(
    "the scene id %j leads nowhere",
    async (evil) => {
      await writeScan(data.folder);
      expect(() => openScene(data.folder, evil)).toThrow(UserError);
      expect(() => openScene(data.folder, evil)).toThrow(
        "scene id must be letters, digits, _ and - such as scene0011_00, got",
      );
    },
  );

  test("an object id twice", () =>
    bad(
      () => data.edit(scan(`${id}.aggregation.json`), (t) => t.replace('"objectId":2', '"objectId":1')),
      "aggregation.json: object id 1 (trash can) is given twice; take the file from the scan again",
    ));

  test("object ids with a gap", () =>
    bad(
      () => data.edit(scan(`${id}.aggregation.json`), (t) => t.replace('"objectId":2', '"objectId":5')),
      "object ids must be 0 to 2 without gaps, got 0, 1, 5; leave this scene out of the split list",
    ));

  test.each([
    [
      "no segments",
      (t: string) => t.replace('"segments":[900],', ""),
      "aggregation.json: segGroups.0.segments: Invalid input: expected array",
    ],
    [
      "an id that is a text",
      (t: string) => t.replace('"objectId":2', '"objectId":"2"'),
      "aggregation.json: segGroups.0",
    ],
    [
      "a group of nothing",
      (t: string) => t.replace('"segGroups":[', '"segGroups":[null,'),
      "aggregation.json: segGroups.0",
    ],
    ["nothing at all", () => "null", "aggregation.json: Invalid input: expected object"],
  ])("an annotation with %s", (_, change, message) =>
    bad(() => data.edit(scan(`${id}.aggregation.json`), change), message),
  );

  test("fewer segments than vertices", () =>
    bad(
      () => data.edit(scan(`${id}_vh_clean_2.0.010000.segs.json`), (t) => t.replace(",55]", "]")),
      "segs.json: lists 24 vertices, but scene0011_00_vh_clean_2.ply has 25; the two belong to different " +
        "versions of the scan",
    ));

  test("an ascii mesh, a mesh cut off, a mesh of lists", async () => {
    const mesh = scan(`${id}_vh_clean_2.ply`);
    await bad(
      () => data.file(mesh, "ply\nformat ascii 1.0\nelement vertex 0\nend_header\n"),
      'format is "ascii", expected binary_little_endian',
    );
    await bad(
      () => data.file(mesh, plyFile(scanVertices()).subarray(0, 500)),
      "cut off after 500 bytes inside its vertex list",
    );
    await bad(
      () =>
        data.file(
          mesh,
          Buffer.from(
            "ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty list uchar int x\nend_header\n",
          ),
        ),
      'vertices have a list property "x"',
    );
    // a header with Windows line ends is read
    data.file(mesh, plyFile(scanVertices(), "\r\n"));
    expect(openScene(data.folder, id).objects.length).toBe(3);
  });

  test("no frames at all", () =>
    bad(() => rmSync(join(data.folder, scan("color")), { recursive: true }), `put ${id}.sens there, its export`));

  test("a recording without frames, and one that is cut off", async () => {
    await bad(() => data.file(scan(`${id}.sens`), sensFile([])), "has no frame; download the scan's .sens file again", {
      layout: "sens",
    });
    await bad(
      () => data.file(scan(`${id}.sens`), readFileSync(join(data.folder, scan(`${id}.sens`))).subarray(0, 900)),
      "the download is not complete",
      { layout: "sens" },
    );
  });

  test("labels alone are read without mesh and frames", async () => {
    await writeScan(data.folder);
    mkdirSync(join(data.folder, "x"));
    rmSync(join(data.folder, scan(`${id}_vh_clean_2.ply`)));
    expect(readLabels(data.folder, id)).toEqual(["office chair", "trash can", "office chair"]);
  });
});
