import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { checkScans } from "../../lib/datasets/check";
import { proposalFile, readProposals } from "../../lib/datasets/proposals";
import { npyFile, sparseNpz } from "../setup/formats/npz";
import { dataFolder, objects, writeScan } from "../setup/formats/scan";

const id = "scene0011_00";
let data: ReturnType<typeof dataFolder>;
beforeEach(async () => {
  data = dataFolder();
  await writeScan(data.folder, { frames: 1 });
});
afterEach(() => data.remove());

/** Vertices of an object of the fixture: eight corners each. */
const verticesOf = (object: number): number[] => [0, 1, 2, 3, 4, 5, 6, 7].map((v) => 8 * object + v);
/** The fixture's mesh has 25 vertices. */
const count = 25;
const npz = (rows: readonly (readonly number[])[], cols = count): string =>
  data.file(`mask/${id}.mask.npz`, sparseNpz(rows, cols, { format: "csc" }));
const refused = (message: string): void => {
  expect(() => readProposals(data.folder, id)).toThrow(UserError);
  expect(() => readProposals(data.folder, id)).toThrow(message);
};

describe("Mask3D's masks", () => {
  test("become boxes around the aligned vertices", () => {
    npz([verticesOf(2), verticesOf(0)]);
    expect(readProposals(data.folder, id).map((p) => p.box)).toEqual([objects[2].box, objects[0].box]);
    expect(proposalFile(data.folder, id)!.kind).toBe("Mask3D masks (mask/*.npz)");
  });

  test("only the first 50 rows count, and rows without a vertex give no box", () => {
    npz(Array.from({ length: 60 }, (_, i) => (i === 7 ? [] : i < 50 ? verticesOf(0) : verticesOf(1))));
    const boxes = readProposals(data.folder, id).map((p) => p.box);
    expect(boxes.length).toBe(49);
    expect(boxes.every((b) => b.join() === objects[0].box.join())).toBe(true);
  });

  test("of another scan, damaged, or without a mesh to lie on are refused", () => {
    npz([[0]], 26);
    refused(
      `${id}.mask.npz: is about 26 vertices, but ${id}_vh_clean_2.ply has 25; the two belong to different ` +
        "versions of the scan",
    );
    data.file(`mask/${id}.mask.npz`, Buffer.from("PK\x03\x04 half a download"));
    refused(`${id}.mask.npz: not a whole zip archive (20 bytes`);
    data.file(
      `mask/${id}.mask.npz`,
      sparseNpz([[0]], count, { change: { data: npyFile("|O", [1], Buffer.from("\x80\x04.")) } }),
    );
    refused(`${id}.mask.npz: data.npy: holds Python objects (a pickle), which are never loaded`);
    npz([[0]]);
    data.file(`scans/${id}/${id}_vh_clean_2.ply`, "");
    refused("not a PLY file");
  });
});

describe("Chat-Scene's masks", () => {
  test("as json: label and vertices, at most 150", () => {
    data.file(
      `mask3d/${id}.json`,
      Array.from({ length: 160 }, (_, i) => ({
        label: i === 0 ? "trash can" : "chair",
        segments: verticesOf(i === 0 ? 1 : 0),
      })),
    );
    const proposals = readProposals(data.folder, id);
    expect(proposals.length).toBe(150);
    expect(proposals[0]).toEqual({ box: objects[1].box, label: "trash can", score: undefined });
  });

  test.each<[string, unknown, string]>([
    ["no list", {}, "expected array, received object, got {}; expected a detector's masks, [{"],
    ["no segments", [{ label: "chair" }], "0.segments: Invalid input: expected array"],
    ["nothing in it", [null], "0: Invalid input: expected object, received null"],
    [
      "a vertex of another scan",
      [{ label: "chair", segments: [3, 25] }],
      "mask 0 has vertex 25, expected 0 to 24; the file belongs to another scan",
    ],
    ["a vertex that is none", [{ label: "chair", segments: ["3"] }], "0.segments.0: Invalid input: expected number"],
  ])("with %s are refused", (_, content, message) => {
    data.file(`mask3d/${id}.json`, content);
    refused(message);
  });

  const mask = (vertices: readonly number[], length = count): string =>
    Array.from({ length }, (_, v) => (vertices.includes(v) ? "1\n" : "0\n")).join("");

  test("as exported: a line a mask, with class and score", () => {
    data.file(
      "scannetv2-labels.combined.tsv",
      "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class\n4\toffice " +
        "chair\tchair\t595\t5\t4\tchair\tchair\n",
    );
    data.file("mask3d/pred_mask/a_000.txt", mask(verticesOf(0)));
    data.file("mask3d/pred_mask/a_001.txt", mask([]));
    data.file(`mask3d/${id}.txt`, "pred_mask/a_000.txt 4 0.97\npred_mask/a_001.txt 77 0.5\n");
    // the second mask is empty
    expect(readProposals(data.folder, id)).toEqual([{ box: objects[0].box, label: "chair", score: 0.97 }]);
  });

  test("byte order marks in the list and in a mask are no content", () => {
    data.file("mask3d/pred_mask/a_000.txt", `\ufeff${mask(verticesOf(0))}`);
    data.file(`mask3d/${id}.txt`, "\ufeffpred_mask/a_000.txt 4 0.97\n");
    expect(readProposals(data.folder, id).map(({ box }) => box)).toEqual([objects[0].box]);
  });

  test.each([
    ["a mask outside of the folder", "../../secret.txt 4 0.9", 'line 1: mask file "../../secret.txt" lies outside of'],
    ["an absolute mask", "/etc/hostname 4 0.9", 'mask file "/etc/hostname" lies outside of'],
    ["no score", "pred_mask/a_000.txt 4", 'line 1: expected "mask file, class id, score", got "pred_mask/a_000.txt 4"'],
    ["a score that is no number", "pred_mask/a_000.txt 4 high", "line 1: expected"],
    ["a mask that is not there", "pred_mask/b.txt 4 0.9", "b.txt is missing; export the masks of this scan again"],
    ["a mask of another scan", "short.txt 4 0.9", "is about 3 vertices, but scene0011_00_vh_clean_2.ply has 25"],
    [
      "masks of two scans",
      "pred_mask/a_000.txt 4 0.9\nshort.txt 4 0.9",
      "short.txt: has 3 lines, the masks before it 25",
    ],
    ["a mask that is no mask", "odd.txt 4 0.9", 'odd.txt: line 2 must be 0 or 1, got "2"'],
  ])("exported with %s are refused", (_, text, message) => {
    data.file("mask3d/pred_mask/a_000.txt", mask(verticesOf(0)));
    data.file("mask3d/short.txt", mask([0], 3));
    data.file("mask3d/odd.txt", "0\n2\n");
    data.file(`mask3d/${id}.txt`, `${text}\n`);
    refused(message);
  });
});

describe("the authors' boxes", () => {
  const name = "metadata/scannet_val_pred_box.json";

  test("by scene, from whichever split's file has it", () => {
    data.file("metadata/scannet_test_pred_box.json", { "scannet/scene0707_00": [[0, 0, 0, 1, 1, 1]] });
    data.file(name, { [`scannet/${id}`]: [objects[1].box, [1, 2, 3, 0.5, 0, 0.5]] });
    expect(readProposals(data.folder, id)).toEqual([{ box: objects[1].box }, { box: [1, 2, 3, 0.5, 0, 0.5] }]);
    expect(readProposals(data.folder, "scene0707_00")).toEqual([{ box: [0, 0, 0, 1, 1, 1] }]);
    expect(() => readProposals(data.folder, "scene0708_00")).toThrow(
      "scene0708_00.json is missing: expected the detector's boxes",
    );
  });

  test.each<[string, unknown, string]>([
    [
      "NaN, as Python writes it",
      `{"scannet/${id}": [[NaN, 0, 0, 1, 1, 1]]}`,
      `scannet_val_pred_box.json: ${id}: box 0 must be 6 finite numbers, centre and size, got ["NaN",0,0,1,1,1]`,
    ],
    [
      "a box of null",
      { [`scannet/${id}`]: [[null, 0, 0, 1, 1, 1]] },
      `${id}: box 0 must be 6 finite numbers, centre and size, got [null,0,0,1,1,1]`,
    ],
    [
      "a box of five",
      { [`scannet/${id}`]: [objects[0].box, [0, 0, 0, 1, 1]] },
      `${id}: box 1 must be 6 finite numbers`,
    ],
    [
      "a negative size",
      { [`scannet/${id}`]: [[0, 0, 0, 1, -1, 1]] },
      "box 0 must be 6 finite numbers, centre and size, got [0,0,0,1,-1,1]",
    ],
    ["a scene without a list", { [`scannet/${id}`]: 3 }, `scannet/${id}: Invalid input: expected array`],
    ["a list instead of scenes", [], 'expected boxes by scene, {"scannet/scene0011_00"'],
  ])("with %s are refused", (_, content, message) => {
    data.file(name, content);
    refused(message);
  });
});

test("released true boxes are no proposals: the check holds them against the scan's own", async () => {
  const file = "metadata/scannet_val_gt_box.json";
  const boxes = objects.map(({ box }) => [...box]);
  const check = async (): Promise<readonly string[]> => {
    const { recognised, problems } = await checkScans(data.folder, 16);
    expect(recognised).toContain("metadata/scannet_val_gt_box.json");
    return problems;
  };
  data.file(file, { [`scannet/${id}`]: boxes });
  expect(proposalFile(data.folder, id)).toBeUndefined();
  expect(await check()).toEqual([]);
  boxes[1]![0]! += 0.02;
  data.file(file, { [`scannet/${id}`]: boxes });
  const told =
    "metadata/scannet_val_gt_box.json: its boxes are not those of the scan's objects (another version of the " +
    "scan, or no axis alignment; the scan's own are used): 1 time (scene0011_00)";
  expect(await check()).toEqual([told]);
  data.file(file, { [`scannet/${id}`]: [objects[0].box] });
  expect(await check()).toEqual([told]);
});

test("a scene id leads nowhere", () => {
  expect(() => proposalFile(data.folder, "../../x")).toThrow("scene id must be letters, digits, _ and -");
});

test("the lab's own boxes come first, then masks, then released boxes", () => {
  data.file("metadata/scannet_val_pred_box.json", { [`scannet/${id}`]: [] });
  const kinds = [proposalFile(data.folder, id)!.kind];
  npz([[0]]);
  kinds.push(proposalFile(data.folder, id)!.kind);
  data.file(`proposals/${id}.json`, { scene: id, proposals: [] });
  kinds.push(proposalFile(data.folder, id)!.kind);
  expect(kinds).toEqual(["released boxes (metadata/)", "Mask3D masks (mask/*.npz)", "boxes (proposals/)"]);
});
