import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { run as data } from "../../lib/cli/data";
import { UserError } from "../../lib/core/errors";
import { orientedBox } from "../../lib/datasets/oriented-object";
import { openScene, readView, readWholeViews, verticesOf } from "../../lib/datasets/scannet";
import { readSentences, splitScenes } from "../../lib/datasets/sentences";
import { boxOfPoints } from "../../lib/geometry/box";
import { boxAround } from "../../lib/geometry/oriented";
import { transformPoints } from "../../lib/geometry/rigid";
import { rotationOf } from "../../lib/geometry/rotation";
import fc from "../setup/fast-check";
import {
  axes,
  cameraAt,
  corners,
  depthOf,
  pincamOf,
  times,
  trajectoryLine,
  turned,
  video,
  writeCapture,
} from "../setup/formats/arkit";
import { u16 } from "../setup/formats/bytes";
import {
  cameraLine,
  colourCamera,
  depthFilm,
  depthSize,
  half,
  meshFile,
  metresOf,
  scanId,
  shift,
  transformOf,
  writeMultiscan,
} from "../setup/formats/multiscan";
import { dataFolder } from "../setup/formats/scan";
import { printed } from "../setup/printed";

vi.setConfig({ testTimeout: 300_000 });

let folder: ReturnType<typeof dataFolder>;
beforeEach(() => void (folder = dataFolder()));
afterEach(() => folder.remove());

/** Camera looks along +y with x right and z up: row-major, at a place. */
const looking = (x: number, y: number, z: number): number[] => [1, 0, 0, x, 0, 0, 1, y, 0, -1, 0, z, 0, 0, 0, 1];
const near = (got: ArrayLike<number>, wanted: readonly number[]): void => {
  expect(got.length).toBe(wanted.length);
  wanted.forEach((w, i) => expect(Math.abs(got[i]! - w), `number ${i}`).toBeLessThan(1e-9));
};

describe("oriented boxes", () => {
  test("become the bounds of their corners", () => {
    near(boxAround({ centre: turned.centroid, lengths: turned.axesLengths, axes }), [...boxOfPoints(corners.flat())!]);
    // an upright box stays what it is
    expect(
      orientedBox(
        {
          centroid: [1, 2, 3],
          axesLengths: [4, 5, 6],
          normalizedAxes: [
            [0, 1, 0],
            [1, 0, 0],
            [0, 0, 1],
          ],
        },
        "x",
      ),
    ).toEqual([1, 2, 3, 5, 4, 6]);
  });

  test("whatever way they are turned", () => {
    const number = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
    fc.assert(
      fc.property(
        fc.tuple(number(-3, 3), number(-3, 3), number(-3, 3)),
        fc.tuple(number(0, 3), number(0, 3), number(0, 3)),
        (v, lengths) => {
          const R = rotationOf(v);
          // columns of a rotation are where the axes go
          const turnedAxes = [0, 1, 2].flatMap((axis) => [0, 1, 2].map((k) => R[3 * k + axis]!));
          const local = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => lengths.map((l, k) => ((i >> k) & 1 ? l : -l) / 2));
          const M = [R[0]!, R[1]!, R[2]!, 0, R[3]!, R[4]!, R[5]!, 0, R[6]!, R[7]!, R[8]!, 0, 0, 0, 0, 1];
          near(boxAround({ centre: [0, 0, 0], lengths, axes: turnedAxes }), [
            ...boxOfPoints(transformPoints(M, local))!,
          ]);
        },
      ),
    );
  });

  test.each<[string, unknown, string]>([
    ["nothing", undefined, "x: centroid must be 3 finite numbers, got undefined; download the annotation again"],
    ["a centre with null for NaN", { centroid: [0, null, 0] }, "x: centroid must be 3 finite numbers, got [0,null,0]"],
    ["two lengths", { centroid: [0, 0, 0], axesLengths: [1, 1] }, "x: axesLengths must be 3 finite numbers, got [1,1]"],
    [
      "a negative length",
      { centroid: [0, 0, 0], axesLengths: [1, -1, 1], normalizedAxes: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
      "x: axesLengths must not be negative, got [1, -1, 1]",
    ],
    [
      "axes that are not perpendicular",
      { centroid: [0, 0, 0], axesLengths: [1, 1, 1], normalizedAxes: [1, 0, 0, 1, 0, 0, 0, 0, 1] },
      "x: normalizedAxes must be three perpendicular unit vectors",
    ],
    [
      "axes that are too long",
      { centroid: [0, 0, 0], axesLengths: [1, 1, 1], normalizedAxes: [2, 0, 0, 0, 1, 0, 0, 0, 1] },
      "x: normalizedAxes must be three perpendicular unit vectors",
    ],
  ])("with %s are refused", (_, value, message) => {
    expect(() => orientedBox(value, "x")).toThrow(UserError);
    expect(() => orientedBox(value, "x")).toThrow(message);
  });
});

test("a turn by axis and angle is right-handed", () => {
  near(rotationOf([0, 0, Math.PI / 2]), [0, -1, 0, 1, 0, 0, 0, 0, 1]);
  near(rotationOf([Math.PI, 0, 0]), [1, 0, 0, 0, -1, 0, 0, 0, -1]);
  near(rotationOf([0, 0, 0]), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
});

describe("ARKitScenes", () => {
  const frames = `${video}_frames`;

  test("gives objects, cameras and images in ScanNet's terms", async () => {
    await writeCapture(folder.folder);
    const scene = openScene(folder.folder, video);
    expect([scene.source.kind, scene.frames, scene.skippedFrames, scene.aligned]).toEqual([
      "ARKitScenes",
      times,
      [],
      true,
    ]);
    expect(scene.objects.map(({ id, label }) => [id, label])).toEqual([
      [0, "tv monitor"],
      [1, "sofa"],
    ]);
    expect(scene.objects[0]!.box).toEqual([0, 0, 1, 1, 0.5, 0.25]);
    near(scene.objects[1]!.box, [...boxOfPoints(corners.flat())!]);
    scene.poses.forEach((pose, i) => near(pose, looking(...cameraAt(i))));
    for (const [i, frame] of scene.frames.entries()) {
      const view = await readView(scene, frame, 6);
      expect(new Set(view.depth)).toEqual(new Set([Math.fround(depthOf(i) / 1000)]));
      expect(new Set(view.colour)).toEqual(new Set([40 + 40 * i]));
      // 8 columns are cut to 6: the middle moves by one
      expect(view.intrinsics).toEqual({
        fx: pincamOf(i)[0],
        fy: pincamOf(i)[1],
        cx: pincamOf(i)[2] - 1,
        cy: pincamOf(i)[3],
      });
    }
    near(scene.mesh()!.points, corners.flat().map(Math.fround));
  });

  test("poses are matched within 5 ms; frames without one count as lost", async () => {
    await writeCapture(folder.folder, {
      trajectory: [
        trajectoryLine(0, "305.3735"),
        trajectoryLine(1, "305.4812"),
        trajectoryLine(2, "305.5820"),
        "305.677 nan 0 0 0 0 0",
      ],
    });
    const scene = openScene(folder.folder, video);
    expect([scene.frames, scene.skippedFrames]).toEqual([
      [times[0], times[1]],
      [times[2], times[3]],
    ]);
  });

  test("the documentation's flat boxes are read too", async () => {
    await writeCapture(folder.folder, {
      annotation: {
        data: [
          {
            label: "bed",
            centroid: [0, 0, 0],
            axesLengths: [1, 2, 3],
            normalizedAxes: [
              [1, 0, 0],
              [0, 1, 0],
              [0, 0, 1],
            ],
          },
        ],
      },
    });
    expect(openScene(folder.folder, video).objects).toEqual([{ id: 0, label: "bed", box: [0, 0, 0, 1, 2, 3] }]);
  });

  test.each<[string, (capture: string) => void, string]>([
    [
      "a trajectory cut off",
      (c) => writeFileSync(join(c, frames, "lowres_wide.traj"), `${trajectoryLine(0)}\n305.477 1 2`),
      "lowres_wide.traj: line 2 must have 7 numbers (seconds, axis-angle, translation)",
    ],
    [
      "no trajectory",
      (c) => rmSync(join(c, frames, "lowres_wide.traj")),
      "lowres_wide.traj is missing: expected the capture's camera poses",
    ],
    [
      "no depth",
      (c) => rmSync(join(c, frames, "lowres_depth"), { recursive: true }),
      "lowres_depth is missing: expected the capture's frames",
    ],
    [
      "no depth image left",
      (c) => {
        rmSync(join(c, frames, "lowres_depth"), { recursive: true });
        mkdirSync(join(c, frames, "lowres_depth"));
      },
      "none of 0 depth images has a colour image and intrinsics of its time",
    ],
    [
      "intrinsics cut off",
      (c) => writeFileSync(join(c, frames, "lowres_wide_intrinsics", `${video}_${times[0]}.pincam`), "8 6 7"),
      'expected "width height fx fy cx cy", got 3 numbers',
    ],
    [
      "an annotation that is no JSON",
      (c) => writeFileSync(join(c, `${video}_3dod_annotation.json`), "{"),
      "_3dod_annotation.json: not JSON",
    ],
    [
      "an annotation that is a list",
      (c) => writeFileSync(join(c, `${video}_3dod_annotation.json`), "[]"),
      "Invalid input: expected object, received array, got []; expected the capture's objects",
    ],
    [
      "an annotation without data",
      (c) => writeFileSync(join(c, `${video}_3dod_annotation.json`), "{}"),
      "data: Invalid input: expected array, received undefined",
    ],
    [
      "an annotation that was skipped",
      (c) => writeFileSync(join(c, `${video}_3dod_annotation.json`), '{"skipped": true, "data": []}'),
      "its annotators skipped this capture; leave it out of the list",
    ],
    [
      "an object without a label",
      (c) => writeFileSync(join(c, `${video}_3dod_annotation.json`), '{"data": [null]}'),
      "data[0]: Invalid input: expected object, received null",
    ],
    [
      "a box that is none",
      (c) =>
        writeFileSync(
          join(c, `${video}_3dod_annotation.json`),
          '{"data": [{"label": "bed", "segments": {"obbAligned": {"centroid": [0, 0, 1e999]}}}]}',
        ),
      "data[0]: centroid must be 3 finite numbers",
    ],
  ])("%s is an error that says so", async (_, damage, message) => {
    damage(await writeCapture(folder.folder));
    expect(() => openScene(folder.folder, video)).toThrow(UserError);
    expect(() => openScene(folder.folder, video)).toThrow(message);
  });

  test("a damaged image is left out, a missing mesh is named", async () => {
    const capture = await writeCapture(folder.folder);
    writeFileSync(join(capture, frames, "lowres_depth", `${video}_${times[1]}.png`), "x");
    rmSync(join(capture, `${video}_3dod_mesh.ply`));
    const scene = openScene(folder.folder, video);
    expect((await readWholeViews(scene, scene.frames, 6)).damaged).toEqual([times[1]]);
    expect(scene.mesh()).toBeUndefined();
    expect(() => verticesOf(scene)).toThrow("has no mesh, which choosing frames by coverage needs");
  });

  test("is recognised, its folders are the splits, and sentences have a plain name", async () => {
    await writeCapture(folder.folder, { fold: "Training", id: "40753679" });
    await writeCapture(folder.folder);
    folder.file("sentences_val.json", [
      { scene_id: video, object_id: "1", object_name: "sofa", ann_id: "0", description: "the sofa" },
    ]);
    expect([splitScenes(folder.folder, "train"), splitScenes(folder.folder, "val")]).toEqual([["40753679"], [video]]);
    expect(readSentences(folder.folder, "scanrefer", "val").map((q) => [q.sceneId, q.targetId])).toEqual([[video, 1]]);
    const { out, status } = await printed(data, "check", folder.folder, "--image", "6");
    expect(out).toContain("2 of 2 scenes can be used, 8 frames with a finite pose");
    expect(out).toContain("  ARKitScenes: 2 scans\n");
    expect(out).toContain("  frames as ARKitScenes: 2 scenes (40753679, 41069021)\n");
    expect(out).toContain("  sentences_val.json (val): 1 sentences about 1 scenes\n");
    expect(status).toBe(0);
    folder.file("val.txt", "40753679\n");
    expect(splitScenes(folder.folder, "val")).toEqual(["40753679"]);
  });
});

describe("MultiScan", () => {
  test.each(["m", "mm"] as const)(
    "gives objects, cameras and images in ScanNet's terms (depth in %s)",
    async (unit) => {
      await writeMultiscan(folder.folder, { unit });
      const scene = openScene(folder.folder, scanId);
      expect([scene.source.kind, scene.frames, scene.aligned]).toEqual(["MultiScan", ["0", "2", "4"], true]);
      expect(scene.objects.map(({ id, label }) => [id, label])).toEqual([
        [0, "bag"],
        [1, "wall cabinet"],
      ]);
      near(scene.objects[0]!.box, [0, 3, 0.25, 0.5, 0.25, 0.5]);
      near(scene.objects[1]!.box, [1, 2, 1, 3 * Math.SQRT1_2, 3 * Math.SQRT1_2, 0.5]);
      scene.poses.forEach((pose, i) => near(pose, looking(2 * i + shift[0], shift[1], 1.5 + shift[2])));
      for (const [i, frame] of scene.frames.entries()) {
        const view = await readView(scene, frame, 6);
        expect(new Set(view.depth)).toEqual(new Set([Math.fround(metresOf(2 * i))]));
        const [fx, fy, cx, cy] = colourCamera(2 * i);
        // half the colour image's size, then a column cut off on each side
        expect(view.intrinsics).toEqual({ fx: fx / 2, fy: fy / 2, cx: cx / 2 - 1, cy: cy / 2 });
        expect([...new Set(view.colour)].every((x) => Math.abs(x - (50 + 40 * i)) <= 1)).toBe(true);
      }
      near(scene.mesh()!.points, [0, 0, 0, 1, 0, 0, 0, 1, 0.5]);
      scene.source.close!();
      // open again after it was given back
      expect((await readView(scene, "2", 6)).depth[0]).toBe(metresOf(2));
      scene.source.close!();
    },
  );

  test("a transform that is scaled, or has a number missing", async () => {
    const scaled = JSON.stringify({
      ...(JSON.parse(cameraLine(0)) as object),
      transform: transformOf(0).map((x) => 2 * x),
    });
    const lost = JSON.stringify({
      ...(JSON.parse(cameraLine(2)) as object),
      transform: [...transformOf(2).slice(0, 15), null],
    });
    await writeMultiscan(folder.folder, {
      lines: [scaled, cameraLine(1), lost, cameraLine(3), cameraLine(4), cameraLine(5)],
    });
    const scene = openScene(folder.folder, scanId);
    expect([scene.frames, scene.skippedFrames]).toEqual([["0", "4"], ["2"]]);
    near(scene.poses[0]!, looking(shift[0], shift[1], 1.5 + shift[2]));
  });

  test("without its alignment the cameras' world is used, and that is said", async () => {
    const scan = await writeMultiscan(folder.folder);
    rmSync(join(scan, `${scanId}.align.json`));
    expect(openScene(folder.folder, scanId).aligned).toBe(false);
  });

  test("half precision is widened exactly, holes stay holes", async () => {
    const values = [0.125, 5.5, 60, 0, -1];
    const pixels = depthSize[0] * depthSize[1];
    const film = deflateRawSync(
      Buffer.concat([
        ...values.map(half),
        u16(0x7e00),
        u16(0x7c00),
        ...Array.from({ length: pixels - 7 }, () => half(2)),
      ]),
    );
    await writeMultiscan(folder.folder, { frames: 1, depth: film });
    const { pixels: got } = await openScene(folder.folder, scanId).source.depth("0");
    expect([...got.slice(0, 8)]).toEqual([125, 5500, 60000, 0, 0, 0, 0, 2000]);
  });

  test("a film that is cut off loses its last frames only; one that is too long is another's", async () => {
    // noise does not pack: a cut removes frames from the end
    const pixels = depthSize[0] * depthSize[1];
    const noise = Buffer.from(
      Uint8Array.from({ length: 6 * pixels * 2 }, (_, i) => (i * 7919 + (i >> 3) * 104729) & (i % 2 === 0 ? 255 : 63)),
    );
    const packed = deflateRawSync(noise, { level: 0 });
    await writeMultiscan(folder.folder, { unit: "mm", depth: packed.subarray(0, Math.floor(packed.length * 0.6)) });
    const cut = openScene(folder.folder, scanId);
    const { views, damaged } = await readWholeViews(cut, cut.frames, 6);
    expect([damaged, views.map((v) => v.frame)]).toEqual([["4"], ["0", "2", "2"]]);
    await expect(readView(cut, "4", 6)).rejects.toThrow(
      /scene_00021_00\.depth\.zlib: frame 4 is not there: it holds 3 whole frames of 6 \(.+\); download the scan again/,
    );
    writeFileSync(join(folder.folder, scanId, `${scanId}.depth.zlib`), depthFilm(60, "m"));
    await expect(readView(openScene(folder.folder, scanId), "0", 6)).rejects.toThrow(
      "unpacks to more than its 6 frames of 6x8 pixels",
    );
    writeFileSync(join(folder.folder, scanId, `${scanId}.depth.zlib`), "no film");
    await expect(readView(openScene(folder.folder, scanId), "0", 6)).rejects.toThrow(
      /frame 0 is not there: it holds 0 whole frames of 6 \(/,
    );
  });

  test.each<[string, (scan: string) => void, string]>([
    [
      "no colour frames",
      (s) => rmSync(join(s, "color"), { recursive: true }),
      `color: has no frames; take them out of the film, numbered from 0: mkdir color && ffmpeg -i ${scanId}.mp4`,
    ],
    [
      "colour frames beyond the cameras",
      (s) => {
        for (const name of readdirSync(join(s, "color")))
          renameSync(join(s, "color", name), join(s, "color", `9${name}`));
      },
      "its frames are beyond the 6 cameras",
    ],
    [
      "no depth",
      (s) => rmSync(join(s, `${scanId}.depth.zlib`)),
      ".depth.zlib is missing: expected the scan's depth images",
    ],
    ["no cameras", (s) => rmSync(join(s, `${scanId}.jsonl`)), ".jsonl is missing: expected the cameras of the frames"],
    [
      "a camera line cut off",
      (s) => writeFileSync(join(s, `${scanId}.jsonl`), `${cameraLine(0)}\n{"intrinsics": [1,`),
      ".jsonl: line 2: not JSON",
    ],
    [
      "intrinsics that are not nine",
      (s) => writeFileSync(join(s, `${scanId}.jsonl`), '{"intrinsics": [1, 2]}'),
      ".jsonl: line 1: intrinsics must be 9 finite numbers (column-major 3x3), got [1,2]",
    ],
    [
      "facts without sizes",
      (s) => writeFileSync(join(s, `${scanId}.json`), "{}"),
      ".json: streams has no mp4 with a resolution [rows, columns]",
    ],
    [
      "facts of a monstrous size",
      (s) =>
        writeFileSync(
          join(s, `${scanId}.json`),
          readFileSync(join(s, `${scanId}.json`), "utf8").replace("[6,8]", "[600000,800000]"),
        ),
      "streams has no depth.zlib with a resolution",
    ],
    [
      "an unknown unit",
      (s) =>
        writeFileSync(
          join(s, `${scanId}.json`),
          readFileSync(join(s, `${scanId}.json`), "utf8").replace('"depth_unit":"m"', '"depth_unit":"inch"'),
        ),
      'depth_unit must be m or mm, got "inch"',
    ],
    [
      "an alignment that is none",
      (s) => writeFileSync(join(s, `${scanId}.align.json`), '{"coordinate_transform": [1, 2]}'),
      "coordinate_transform must be 16 finite numbers",
    ],
    [
      "an alignment that stretches",
      (s) =>
        writeFileSync(
          join(s, `${scanId}.align.json`),
          JSON.stringify({ coordinate_transform: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1] }),
        ),
      "coordinate_transform must be a rotation and a shift",
    ],
    [
      "no objects",
      (s) => writeFileSync(join(s, `${scanId}.annotations.json`), "{}"),
      "objects: Invalid input: expected array, received undefined",
    ],
    [
      "an object without an id",
      (s) => writeFileSync(join(s, `${scanId}.annotations.json`), '{"objects": [{"label": "bag.1"}]}'),
      "objects.0.objectId: Invalid input",
    ],
    [
      "an object given twice",
      (s) => writeFileSync(join(s, `${scanId}.annotations.json`), objectsOf(1, 1)),
      "objectId 1 (bag) is given twice",
    ],
    [
      "a gap in the ids",
      (s) => writeFileSync(join(s, `${scanId}.annotations.json`), objectsOf(1, 3)),
      "objectId must be 1 to 2 without gaps, got 1, 3; leave this scan out",
    ],
  ])("%s is an error that says so", async (_, damage, message) => {
    damage(await writeMultiscan(folder.folder));
    expect(() => openScene(folder.folder, scanId)).toThrow(UserError);
    expect(() => openScene(folder.folder, scanId)).toThrow(message);
  });

  function objectsOf(...ids: number[]): string {
    const obb = { centroid: [0, 0, 0], axesLengths: [1, 1, 1], normalizedAxes: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
    return JSON.stringify({ objects: ids.map((objectId) => ({ objectId, label: "bag.1", obb })) });
  }

  test("is recognised; without lists it says what to write", async () => {
    await writeMultiscan(folder.folder);
    const { out, status } = await printed(data, "check", folder.folder, "--image", "6");
    expect(out).toContain("1 of 1 scenes can be used, 3 frames with a finite pose");
    expect(out).toContain("  MultiScan: 1 scans\n");
    expect(out).toContain(
      "missing: scannetv2_train.txt; write train.txt with the names of the MultiScan scans to train on, one a line\n",
    );
    expect(status).toBe(0);
    folder.file("val.txt", `${scanId}\n`);
    expect(splitScenes(folder.folder, "val")).toEqual([scanId]);
    // whoever only evaluates needs no training list
    expect(splitScenes(folder.folder, "train")).toEqual([]);
  });

  test("a mesh of doubles with numbers behind its faces is read", async () => {
    const scan = await writeMultiscan(folder.folder);
    writeFileSync(
      join(scan, `${scanId}.ply`),
      meshFile([
        [0.5, -0.25, 2],
        [1, 1, 1],
        [3, 2, 1],
      ]),
    );
    near(openScene(folder.folder, scanId).mesh()!.points, [0.5, -0.25, 2, 1, 1, 1, 3, 2, 1]);
  });
});

describe("mutated files give an error in words or a scan, never anything else", () => {
  const changes = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 5 });
  const damaged = (bytes: Buffer, list: readonly (readonly [number, number])[], cut: number): Buffer => {
    const copy = Buffer.from(cut % 4 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes);
    for (const [at, to] of list) if (copy.length > 0) copy[at % copy.length] = to;
    return copy;
  };
  async function survives(path: string, id: string): Promise<void> {
    const sound = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(5000), async (list, cut) => {
        writeFileSync(path, damaged(sound, list, cut));
        try {
          const scene = openScene(folder.folder, id);
          await readWholeViews(scene, scene.frames.slice(0, 1), 6);
          scene.mesh()!.points;
          scene.source.close?.();
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
        }
      }),
      { numRuns: 40 },
    );
  }

  test.each([
    "_3dod_annotation.json",
    "_3dod_mesh.ply",
    "_frames/lowres_wide.traj",
    `_frames/lowres_wide_intrinsics/${video}_${times[0]}.pincam`,
  ])("ARKitScenes %s", async (suffix) => {
    const capture = await writeCapture(folder.folder);
    await survives(join(capture, `${video}${suffix}`), video);
  });

  test.each([".json", ".jsonl", ".depth.zlib", ".align.json", ".annotations.json", ".ply"])(
    "MultiScan %s",
    async (suffix) => {
      const scan = await writeMultiscan(folder.folder);
      await survives(join(scan, `${scanId}${suffix}`), scanId);
    },
  );
});

test("names that lead out of the data folder are no scans", () => {
  for (const id of ["../x", "scene_00021_00/..", ""])
    expect(() => openScene(folder.folder, id)).toThrow("scene id must be letters, digits, _ and -");
});
