import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { changedParts, dataFingerprint, hashScenes, sceneFingerprints } from "../../lib/datasets/fingerprint";
import { readManifest } from "../../lib/datasets/rooms/make";
import { scanFiles } from "../../lib/datasets/scene-files";
import { video, writeCapture } from "../setup/formats/arkit";
import { scanId, writeMultiscan } from "../setup/formats/multiscan";
import { sparseNpz } from "../setup/formats/npz";
import { alignment, dataFolder, layouts, writeScan } from "../setup/formats/scan";
import { sensFile } from "../setup/formats/sens";
import { smallRooms } from "./small-rooms";

const id = "scene0011_00";
let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());
const look = (of = id): NonNullable<ReturnType<ReturnType<typeof sceneFingerprints>["get"]>> =>
  sceneFingerprints(data.folder, [of]).get(of)!;

/** Changes the last byte of a file; its size stays. */
function flip(name: string): void {
  const path = join(data.folder, name);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, bytes);
}

describe.each(layouts)("frames as %s", (layout) => {
  test("a copy with other dates has the same, any other content another", async () => {
    await writeScan(data.folder, { layout });
    const first = look();
    const copy = dataFolder();
    cpSync(data.folder, copy.folder, { recursive: true });
    utimesSync(join(copy.folder, "scans", id, `${id}.txt`), 1, 1);
    expect(sceneFingerprints(copy.folder, [id]).get(id)).toEqual(first);
    copy.remove();
    const seen = [first];
    const changes: (() => unknown)[] = [
      () => writeScan(data.folder, { layout, frames: 5 }),
      () => data.edit(`scans/${id}/${id}.txt`, (t) => t.replace("axisAlignment = 0", "axisAlignment = 1")),
      () => data.edit(`scans/${id}/${id}.aggregation.json`, (t) => t.replace("trash can", "bin")),
      () => data.file("scans_axis_alignment_matrices.json", { [id]: alignment }),
      () => data.file("embodiedscan.json", { [`scannet/${id}`]: { images: ["0.jpg"] } }),
      () => data.file("metadata/scannet_val_pred_box.json", { [`scannet/${id}`]: [[0, 0, 0, 1, 1, 1]] }),
      () => data.file(`mask/${id}.mask.npz`, sparseNpz([[0]], 25)),
    ];
    for (const change of changes) {
      await change();
      seen.push(look());
    }
    expect(new Set(seen.map(({ scan, proposals }) => `${scan} ${proposals}`)).size).toBe(seen.length);
  });

  test("a file of the same size that says something else is seen, and which part it belongs to", async () => {
    await writeScan(data.folder, { layout });
    data.file(`mask3d/${id}.txt`, "mask/0.txt 4 0.9\n");
    data.file("mask3d/mask/0.txt", `${new Array(25).fill(0).join("\n")}\n`);
    const frame: Record<string, string> =
      layout === "exported folders"
        ? {
            [`scans/${id}/pose/1.txt`]: "poses",
            [`scans/${id}/depth/1.png`]: "depth",
            [`scans/${id}/color/1.jpg`]: "colour",
            [`scans/${id}/intrinsic/intrinsic_depth.txt`]: "cameras",
          }
        : layout === "posed images"
          ? {
              [`posed_images/${id}/00010.txt`]: "poses",
              [`posed_images/${id}/00010.png`]: "depth",
              [`posed_images/${id}/00010.jpg`]: "colour",
              [`posed_images/${id}/depth_intrinsic.txt`]: "cameras",
            }
          : { [`scans/${id}/${id}.sens`]: "recording" };
    const files = {
      ...frame,
      [`scans/${id}/${id}_vh_clean_2.ply`]: "objects",
      [`scans/${id}/${id}_vh_clean_2.0.010000.segs.json`]: "objects",
      [`mask3d/${id}.txt`]: "proposals",
      "mask3d/mask/0.txt": "proposals",
    };
    for (const [file, part] of Object.entries(files)) {
      const before = look();
      flip(file);
      expect(changedParts(before, look()), file).toEqual([part]);
    }
    expect(changedParts(look(), look())).toEqual([]);
  });
});

test("a proposal that moves, and released boxes of this scene alone, are seen", async () => {
  await writeScan(data.folder);
  const proposals = `proposals/${id}.json`;
  data.file(proposals, { scene: id, proposals: [{ box: [0, 0, 0, 1, 1, 1] }] });
  const before = look();
  data.edit(proposals, (t) => t.replace("[0,", "[1,"));
  expect(changedParts(before, look())).toEqual(["proposals"]);
  expect(look().scan).toBe(before.scan);
  rmSync(join(data.folder, proposals));
  const boxes = "metadata/scannet_val_pred_box.json";
  data.file(boxes, { [`scannet/${id}`]: [[0, 0, 0, 1, 1, 1]], "scannet/scene0012_00": [[0, 0, 0, 1, 1, 1]] });
  const released = look();
  data.edit(boxes, (t) => t.replace('12_00":[[0', '12_00":[[1'));
  expect(look()).toEqual(released);
  data.edit(boxes, (t) => t.replace('11_00":[[0', '11_00":[[2'));
  expect(changedParts(released, look())).toEqual(["proposals"]);
});

test("scans of other layouts, file by file", async () => {
  const capture = await writeCapture(data.folder);
  const scan = await writeMultiscan(data.folder);
  const inside = (path: string): string => path.slice(data.folder.length + 1);
  const frames = join(inside(capture), `${video}_frames`);
  const changes: [string, string, string][] = [
    [video, join(inside(capture), `${video}_3dod_mesh.ply`), "objects"],
    [video, join(frames, "lowres_wide.traj"), "poses"],
    [video, join(frames, "lowres_depth", `${video}_305.477.png`), "depth"],
    [video, join(frames, "lowres_wide_intrinsics", `${video}_305.377.pincam`), "cameras"],
    [scanId, join(inside(scan), `${scanId}.depth.zlib`), "depth"],
    [scanId, join(inside(scan), `${scanId}.jsonl`), "poses"],
    [scanId, join(inside(scan), `${scanId}.align.json`), "poses"],
    [scanId, join(inside(scan), "color", "0.jpg"), "colour"],
  ];
  for (const [of, file, part] of changes) {
    const before = look(of);
    flip(file);
    expect(changedParts(before, look(of)), file).toEqual([part]);
  }
});

test("a large recording is known by its poses, the sizes of its images and the checksum of every depth image", () => {
  const jpeg = Buffer.alloc(900_000, 7);
  const depth = (frame: number): Uint16Array => new Uint16Array(48).fill(1000 + frame);
  const write = (changed: Partial<{ pose: number; depth: number; cut: number }> = {}): string => {
    const frames = Array.from({ length: 80 }, (_, i) => ({
      pose: [1, 0, 0, changed.pose === i ? 9 : i, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
      jpeg: changed.cut === i ? jpeg.subarray(1) : jpeg,
      depth: depth(changed.depth === i ? 500 : i),
    }));
    data.file(`scans/${id}/${id}.sens`, sensFile(frames, { colour: [640, 480] }));
    expect(statSync(join(data.folder, "scans", id, `${id}.sens`)).size).toBeGreaterThan(1 << 26);
    return look().scan;
  };
  const seen = [write(), write({ pose: 41 }), write({ depth: 77 }), write({ cut: 3 })];
  expect(new Set(seen).size).toBe(4);
  expect(write()).toBe(seen[0]);
});

test("scans that are not there have one too: preparing them says what is missing", () => {
  expect(look().scan).toMatch(/^[0-9a-f]{64}$/);
});

describe("S2-Rooms", () => {
  test("keep the fingerprint that their maker wrote, which any change in any file undoes", async () => {
    const rooms = await smallRooms();
    const stated = readManifest(rooms.folder)!.fingerprint.slice(0, 12);
    expect(dataFingerprint(rooms.folder)).toBe(stated);
    const room = "scans/scene0000_00";
    const files = [
      `${room}/pose/20.txt`,
      `${room}/depth/0.png`,
      `${room}/scene0000_00_vh_clean_2.ply`,
      "sr3d_test.csv",
      "ScanRefer_filtered_train.json",
      "scannetv2-labels.combined.tsv",
      "proposals/scene0001_00.json",
    ];
    for (const file of files) {
      const copy = rooms.copy();
      const bytes = readFileSync(join(copy, file));
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(join(copy, file), bytes);
      expect(dataFingerprint(copy), file).not.toBe(stated);
    }
    rooms.remove();
  });
});

test("an index of digests that is damaged, or of another version, is made anew", async () => {
  await writeScan(data.folder);
  const name = createHash("sha256").update(data.folder).digest("hex").slice(0, 16);
  const file = inProject("data", "cache", "fingerprints", `${name}.json`);
  mkdirSync(inProject("data", "cache", "fingerprints"), { recursive: true });
  const first = look();
  for (const text of ["{", '{"version": 0}', "[]"]) {
    writeFileSync(file, text);
    expect(look()).toEqual(first);
  }
  rmSync(file);
});

test("two processes find what one finds, and their digests are kept until a file changes", async () => {
  const rooms = await smallRooms();
  try {
    const ids = ["scene0000_00", "scene0001_00"];
    const copy = rooms.copy();
    const name = createHash("sha256").update(copy).digest("hex").slice(0, 16);
    const index = inProject("data", "cache", "fingerprints", `${name}.json`);
    // dates of just now would not be trusted
    for (const { path } of ids.flatMap((id) => scanFiles(copy, id))) if (existsSync(path)) utimesSync(path, 1, 1);
    const first = sceneFingerprints(rooms.folder, ids);
    await setTimeout(1100); // nor are changes of a file's entry
    await hashScenes(copy, ids, undefined, 2, 1);
    // only the test room has proposals
    expect(Object.keys(JSON.parse(readFileSync(index, "utf8")).digests).sort()).toEqual([
      ...ids,
      `${ids[1]} proposals`,
    ]);
    expect(sceneFingerprints(copy, ids)).toEqual(first);
    writeFileSync(join(copy, "scans", ids[0]!, "pose", "20.txt"), "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n");
    await hashScenes(copy, ids, undefined, 2, 1);
    const now = sceneFingerprints(copy, ids);
    expect(changedParts(first.get(ids[0]!)!, now.get(ids[0]!)!)).toEqual(["poses"]);
    expect(now.get(ids[1]!)).toEqual(first.get(ids[1]!));
    rmSync(index);
  } finally {
    rooms.remove();
  }
});
