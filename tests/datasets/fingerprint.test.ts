import { cpSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { scansFingerprint } from "../../lib/datasets/fingerprint";
import { sparseNpz } from "../setup/formats/npz";
import { alignment, dataFolder, layouts, writeScan } from "../setup/formats/scan";

const id = "scene0011_00";
let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());

test.each(layouts)("a copy with other dates has the same, any other content another (%s)", async (layout) => {
  await writeScan(data.folder, { layout });
  const seen = [scansFingerprint(data.folder, [id])];
  const copy = dataFolder();
  cpSync(data.folder, copy.folder, { recursive: true });
  utimesSync(join(copy.folder, "scans", id, `${id}.txt`), 1, 1);
  expect(scansFingerprint(copy.folder, [id])).toBe(seen[0]);
  copy.remove();
  const changes: (() => unknown)[] = [
    () => writeScan(data.folder, { layout, frames: 5 }),
    () => data.edit(`scans/${id}/${id}.txt`, (t) => t.replace("axisAlignment = 0", "axisAlignment = 1")),
    () => data.edit(`scans/${id}/${id}.aggregation.json`, (t) => t.replace("trash can", "bin")),
    () => data.file("scans_axis_alignment_matrices.json", { [id]: alignment }),
    () => data.file("embodiedscan.json", {}),
    () => data.file("metadata/scannet_val_pred_box.json", { [`scannet/${id}`]: [] }),
    () => data.file(`mask/${id}.mask.npz`, sparseNpz([[0]], 25)),
  ];
  for (const change of changes) {
    await change();
    seen.push(scansFingerprint(data.folder, [id]));
  }
  expect(new Set(seen).size).toBe(seen.length);
});

test("scans that are not there have one too: preparing them says what is missing", () => {
  expect(scansFingerprint(data.folder, [id])).toMatch(/^[0-9a-f]{64}$/);
  expect(scansFingerprint(data.folder, [id])).not.toBe(scansFingerprint(data.folder, ["scene0012_00"]));
});
