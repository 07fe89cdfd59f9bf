import { existsSync, readFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { type Box, boxOfPoints } from "../geometry/box";
import { identity4 } from "../geometry/rigid";
import { readSparse } from "../io/sparse";
import { readAlignment } from "./alignment";
import { parseJson, readText } from "./json-file";
import { findLabelMap } from "./label-map";
import { alignedMesh } from "./objects";
import type { Proposal } from "./scene";

/** A detector's object as vertices of the scan's mesh. */
interface Mask {
  readonly vertices: ArrayLike<number>;
  readonly label?: string;
  readonly score?: number;
  readonly classId?: number;
}

interface MaskBox {
  readonly box: Box;
  readonly mask: Mask;
}

/** Rows of a Mask3D matrix that the released code keeps (paper.md 6.4). */
export const MASK3D_ROWS = 50;
/** Objects that Chat-Scene keeps (paper.md 6.4). */
export const CHAT_SCENE_OBJECTS = 150;

/**
 * Boxes of masks: bounds of their vertices in the axis-aligned world.
 *
 * @param count vertices that the masks speak of
 * @returns one proposal a mask, without the masks that hold no vertex
 * @throws UserError when the scan's mesh has another number of vertices
 */
function boxesOfMasks(folder: string, id: string, masks: readonly Mask[], origin: string, count?: number): MaskBox[] {
  const { points } = alignedMesh(folder, id, readAlignment(folder, id) ?? identity4());
  const vertices = points.length / 3;
  if (count !== undefined && count !== vertices) {
    throw new UserError(
      `${origin}: is about ${count} vertices, but ${id}_vh_clean_2.ply has ${vertices}; the two belong to ` +
        "different versions of the scan",
    );
  }
  return masks.flatMap((mask, i): MaskBox[] => {
    const own = mask.vertices;
    for (let k = 0; k < own.length; k++) {
      if (!Number.isInteger(own[k]) || own[k]! < 0 || own[k]! >= vertices)
        throw new UserError(
          `${origin}: mask ${i} has vertex ${own[k]}, expected 0 to ${vertices - 1}; the file belongs to another scan`,
        );
    }
    const box = boxOfPoints(points, own);
    if (box === undefined) return [];
    if (!box.every(Number.isFinite))
      throw new UserError(
        `${origin}: mask ${i} has a vertex that is not a number in ${id}_vh_clean_2.ply; take the mesh from the ` +
          "scan again",
      );
    return [{ box, mask }];
  });
}

const asProposal = ({ box, mask: { label, score } }: MaskBox): Proposal => ({ box, label, score });

/** Mask3D's masks as LEO publishes them: mask/<scene>.mask.npz, a sparse matrix of proposals x vertices. */
export const sparseMaskFile = (folder: string, id: string): string => join(folder, "mask", `${id}.mask.npz`);

/** Proposals of a sparse mask file: its first 50 rows. @throws UserError when it is damaged or of another scan */
export function readSparseMasks(folder: string, id: string): Proposal[] {
  const file = sparseMaskFile(folder, id);
  const { shape, rows } = readSparse(readFileSync(file), file);
  return boxesOfMasks(
    folder,
    id,
    rows.slice(0, MASK3D_ROWS).map((vertices) => ({ vertices })),
    file,
    shape[1],
  ).map(asProposal);
}

/**
 * Masks as Chat-Scene keeps them, [{label, segments}] with vertex numbers, converted from its .pt (a pickle) to json.
 */
export const maskListFile = (folder: string, id: string): string => join(folder, "mask3d", `${id}.json`);

const MaskList = z.array(z.looseObject({ label: z.string(), segments: z.array(z.number()) }));

/** @throws UserError naming the entry that is not as expected */
export function readMaskList(folder: string, id: string): Proposal[] {
  const file = maskListFile(folder, id);
  const form = 'a detector\'s masks, [{"label", "segments": [vertex, …]}, …]';
  const masks = parseJson(file, MaskList, form, "convert the masks again")
    .slice(0, CHAT_SCENE_OBJECTS)
    .map(({ label, segments }): Mask => ({ label, vertices: segments }));
  return boxesOfMasks(folder, id, masks, file).map(asProposal);
}

/**
 * Masks in ScanNet's benchmark form, as Mask3D exports them: lines "mask file, class id, score" in
 * mask3d/<scene>.txt.
 */
export const maskExportFile = (folder: string, id: string): string => join(folder, "mask3d", `${id}.txt`);

/** Vertices of a mask file: a line of 0 or 1 for each. */
function readMaskLines(file: string, origin: string): { vertices: number[]; count: number } {
  if (!existsSync(file))
    throw new UserError(`${origin}: its mask ${file} is missing; export the masks of this scan again`);
  const lines = readText(file, "a mask, 0 or 1 a line", "export the masks of this scan again").trimEnd().split(/\r?\n/);
  const vertices = lines.flatMap((line, i) => {
    if (line !== "0" && line !== "1")
      throw new UserError(
        `${file}: line ${i + 1} must be 0 or 1, got "${line.slice(0, 40)}"; export the masks of this scan again`,
      );
    return line === "1" ? [i] : [];
  });
  return { vertices, count: lines.length };
}

/** @throws UserError naming the line that is not as expected, or a mask that is missing or outside of the folder */
export function readMaskExport(folder: string, id: string): Proposal[] {
  return exportedMasks(folder, id).map(asProposal);
}

/** Boxes of exported masks with their class ids. @throws UserError as `readMaskExport` */
export function exportedMasks(folder: string, id: string): MaskBox[] {
  const file = maskExportFile(folder, id);
  const top = resolve(folder, "mask3d");
  const names = findLabelMap(folder)?.categoryOfId;
  let count: number | undefined;
  const lines = readFileSync(file, "utf8")
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "")
    .slice(0, CHAT_SCENE_OBJECTS);
  const masks = lines.map((line, i): Mask => {
    const where = `${file}: line ${i + 1}`;
    const match = /^(\S+)\s+(\d+)\s+(\S+)$/.exec(line.trim());
    const score = Number(match?.[3]);
    if (match === null || !Number.isFinite(score))
      throw new UserError(
        `${where}: expected "mask file, class id, score", got "${line.slice(0, 80)}"; export the masks of this ` +
          "scan again",
      );
    const path = resolve(top, match[1]!);
    if (relative(top, path).split(sep)[0] === "..")
      throw new UserError(
        `${where}: mask file "${match[1]}" lies outside of ${top}; export the masks of this scan again`,
      );
    const mask = readMaskLines(path, where);
    if (count !== undefined && mask.count !== count)
      throw new UserError(
        `${path}: has ${mask.count} lines, the masks before it ${count}; export the masks of this scan again`,
      );
    count = mask.count;
    return { vertices: mask.vertices, score, label: names?.get(Number(match[2])), classId: Number(match[2]) };
  });
  return boxesOfMasks(folder, id, masks, file, count);
}
