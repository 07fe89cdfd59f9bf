import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { iou } from "../geometry/box";
import { boxesOf, boxFileOf } from "./box-file";
import { parseJson } from "./json-file";
import { findLabelMap } from "./label-map";
import {
  exportedMasks,
  maskExportFile,
  maskListFile,
  readMaskExport,
  readMaskList,
  readSparseMasks,
  sparseMaskFile,
} from "./masks";
import type { Proposal, SceneObject } from "./scene";
import { checkSceneId } from "./scene";

const Edge = z.number().positive();
const SolidBox = z.tuple([z.number(), z.number(), z.number(), Edge, Edge, Edge]);
const File = z.strictObject({
  scene: z.string(),
  proposals: z.array(
    z.strictObject({
      /** Centre and full size in the axis-aligned world, metres. */
      box: z.array(z.number().nullable()),
      label: z.string().optional(),
      score: z.number().optional(),
    }),
  ),
});

const listFile = (folder: string, sceneId: string): string => join(folder, "proposals", `${sceneId}.json`);

function readList(folder: string, sceneId: string): Proposal[] {
  const file = listFile(folder, sceneId);
  const form = '{"scene", "proposals": [{"box": [cx, cy, cz, dx, dy, dz], "label"?, "score"?}]}';
  const { scene, proposals } = parseJson(file, File, `the detector's boxes of ${sceneId}, ${form}`, "write them again");
  if (scene !== sceneId)
    throw new UserError(
      `${file}: holds proposals of scene "${scene}", expected "${sceneId}"; the file is misnamed or misplaced`,
    );
  return proposals.map(({ box, label, score }, i): Proposal => {
    const numbers = SolidBox.safeParse(box);
    if (numbers.success) return { box: numbers.data, label, score };
    throw new UserError(
      `${file}: proposal ${i} must have 6 finite numbers, centre and positive size, got [${box.join(", ")}]; ` +
        "write the proposals again",
    );
  });
}

/** The forms in which a detector's objects are read, in the order in which they are looked for. */
const forms = [
  { kind: "boxes (proposals/)", file: (folder: string, id: string) => listFile(folder, id), read: readList },
  {
    kind: "Mask3D masks (mask/*.npz)",
    file: (folder: string, id: string) => sparseMaskFile(folder, id),
    read: readSparseMasks,
  },
  { kind: "masks (mask3d/*.json)", file: (folder: string, id: string) => maskListFile(folder, id), read: readMaskList },
  {
    kind: "exported masks (mask3d/*.txt)",
    file: (folder: string, id: string) => maskExportFile(folder, id),
    read: readMaskExport,
  },
] as const;

/** Which file gives a scene's proposals. */
export interface ProposalFile {
  readonly kind: string;
  readonly file: string;
}

/**
 * The file that a scene's proposals come from: proposals/<scene>.json, mask/<scene>.mask.npz, mask3d/<scene>.json,
 * mask3d/<scene>.txt, or metadata/scannet_<split>_pred_box.json; the first that is there.
 *
 * @returns undefined when a detector has not been run on the scene
 */
export function proposalFile(folder: string, sceneId: string): ProposalFile | undefined {
  checkSceneId(sceneId, folder);
  const form = forms.find((f) => existsSync(f.file(folder, sceneId)));
  if (form !== undefined) return { kind: form.kind, file: form.file(folder, sceneId) };
  const boxes = boxFileOf(folder, sceneId);
  return boxes === undefined ? undefined : { kind: "released boxes (metadata/)", file: boxes };
}

/**
 * A detector's proposals of a scene of a data folder, boxes in the axis-aligned world.
 *
 * @throws UserError when there are none, they belong to another scene, or one is no box
 */
export function readProposals(folder: string, sceneId: string): Proposal[] {
  const found = proposalFile(folder, sceneId);
  if (found === undefined) {
    throw new UserError(
      `${listFile(folder, sceneId)} is missing: expected the detector's boxes of ${sceneId}; run the detector ` +
        "on it or use ground-truth proposals",
    );
  }
  const form = forms.find((f) => f.kind === found.kind);
  return form === undefined ? boxesOf(found.file, sceneId).map((box) => ({ box })) : form.read(folder, sceneId);
}

/** Least overlap at which a mask stands for an object, and least masks that say something about the numbering. */
const [SAME_BOX, FEWEST_MASKS] = [0.5, 3];

/**
 * Whether the class ids of a scan's exported masks are NYU40's instead of the label map's own, by the objects that the
 * masks overlap: detected boxes would get classes that they are not of.
 *
 * @returns what is wrong; undefined when nothing is, or the scan's proposals say no class ids
 * @throws UserError as `readProposals`
 */
export function numberingFault(folder: string, id: string, objects: readonly SceneObject[]): string | undefined {
  const file = maskExportFile(folder, id);
  if (proposalFile(folder, id)?.file !== file) return undefined;
  const map = findLabelMap(folder);
  if (map === undefined) return undefined;
  let [rows, nyu, judged] = [0, 0, 0];
  for (const { box, mask } of exportedMasks(folder, id)) {
    const object = objects.find((o) => iou(o.box, box) >= SAME_BOX);
    if (object === undefined) continue;
    judged++;
    if (map.categoryOfId.get(mask.classId!) === map.category.get(object.label)) rows++;
    if (map.nyu40Id.get(object.label) === mask.classId) nyu++;
  }
  if (judged < FEWEST_MASKS || nyu <= rows) return undefined;
  return (
    `${file}: class ids are NYU40's (${nyu} of ${judged} masks on an object have its NYU40 number, ${rows} its id in ` +
    "the label map); write the id column of scannetv2-labels.combined.tsv"
  );
}
