import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openScene } from "../../lib/datasets/scannet";
import { alignment, dataFolder, writeScan } from "../setup/formats/scan";

const id = "scene0011_00";
/** Another turn: none. */
const other = [1, 0, 0, 3, 0, 1, 0, 4, 0, 0, 1, 5, 0, 0, 0, 1];
let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());

describe("axis alignment", () => {
  const matrices = "scans_axis_alignment_matrices.json";

  test("from ReferIt3D's file, from EmbodiedScan's index, or from nowhere", async () => {
    await writeScan(data.folder, { facts: false });
    expect(openScene(data.folder, id).aligned).toBe(false);
    data.file("embodiedscan.json", {
      [`scannet/${id}`]: {
        images: ["0.jpg"],
        axis_align_matrix: [0, 1, 2, 3].map((r) => alignment.slice(4 * r, 4 * r + 4)),
      },
    });
    expect([...openScene(data.folder, id).alignment]).toEqual(alignment);
    data.file(matrices, { [id]: other, scene0000_00: [] });
    expect([...openScene(data.folder, id).alignment]).toEqual(other);
  });

  test("the scan's own line wins", async () => {
    await writeScan(data.folder);
    data.file(matrices, { [id]: other });
    expect([...openScene(data.folder, id).alignment]).toEqual(alignment);
  });

  test("a matrix that scales, or mirrors, is refused: nothing would fit", async () => {
    await writeScan(data.folder, { facts: false });
    data.file(matrices, { [id]: alignment.map((x) => 2 * x) });
    expect(() => openScene(data.folder, id)).toThrow("has an axis alignment whose rotation is none");
    data.file(matrices, { [id]: alignment.map((x, i) => (i < 4 ? -x : x)) });
    expect(() => openScene(data.folder, id)).toThrow("has an axis alignment that mirrors");
  });

  test.each<[string, unknown, string]>([
    [
      "15 numbers",
      { [id]: alignment.slice(1) },
      `${matrices}: ${id} must be 16 finite numbers (row-major 4x4), got 15`,
    ],
    ["a text", { [id]: ["0.1", ...alignment.slice(1)] }, "got 16 that are not all finite"],
    ["no JSON", "{", `${matrices}: not JSON`],
  ])("%s is refused", async (_, content, message) => {
    await writeScan(data.folder, { facts: false });
    data.file(matrices, content);
    expect(() => openScene(data.folder, id)).toThrow(message);
  });
});
