import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors";
import { boxOfPoints } from "../geometry/box";
import { transformPoints } from "../geometry/rigid";
import { readPly } from "../io/ply";
import { readJson } from "./json-file";
import type { SceneObject } from "./scene";

interface Group {
  readonly objectId: number;
  readonly label: string;
  readonly segments: readonly number[];
}

const again = "take the file from the scan again";

/** Files of a scan that its objects come from. */
export function objectFiles(
  folder: string,
  id: string,
): { readonly mesh: string; readonly segments: string; readonly aggregation: string } {
  const scan = join(folder, "scans", id);
  return {
    mesh: join(scan, `${id}_vh_clean_2.ply`),
    segments: join(scan, `${id}_vh_clean_2.0.010000.segs.json`),
    aggregation: join(scan, `${id}.aggregation.json`),
  };
}

/**
 * Vertices of a scan's mesh in the axis-aligned world, float64[n, 3] metres.
 * @throws UserError when the mesh is missing or damaged
 */
export function alignedVertices(folder: string, id: string, alignment: Float64Array): Float64Array {
  const { mesh } = objectFiles(folder, id);
  if (!existsSync(mesh)) throw new UserError(`${mesh} is missing: expected the scan's mesh; download it with the scan`);
  return transformPoints(alignment, readPly(readFileSync(mesh), mesh).points);
}

const isWhole = (v: unknown): boolean => Number.isSafeInteger(v) && (v as number) >= 0;

function isGroup(v: unknown): v is Group {
  const g = v as Record<string, unknown> | null;
  return (
    typeof g === "object" &&
    g !== null &&
    isWhole(g.objectId) &&
    typeof g.label === "string" &&
    Array.isArray(g.segments) &&
    g.segments.every(isWhole)
  );
}

/** The annotated objects, by their ids: exactly 0 to n - 1, since an object's id is its place in every list. */
function readGroups(file: string): Group[] {
  const { segGroups } = (readJson(file, "the scan's objects", again) ?? {}) as { segGroups?: unknown };
  if (!Array.isArray(segGroups)) throw new UserError(`${file}: has no segGroups list; ${again}`);
  const odd = segGroups.findIndex((g) => !isGroup(g));
  if (odd >= 0)
    throw new UserError(`${file}: segGroups[${odd}] must have objectId, label and a list of segments; ${again}`);
  const groups = [...(segGroups as Group[])].sort((a, b) => a.objectId - b.objectId);
  const twice = groups.find((g, i) => groups[i - 1]?.objectId === g.objectId);
  if (twice !== undefined)
    throw new UserError(`${file}: object id ${twice.objectId} (${twice.label}) is given twice; ${again}`);
  if (groups.some((g, i) => g.objectId !== i)) {
    throw new UserError(
      `${file}: object ids must be 0 to ${groups.length - 1} without gaps, got ` +
        `${groups.map((g) => g.objectId).join(", ")}; leave this scene out of the split list, as the authors do`,
    );
  }
  return groups;
}

const spaced = (label: string): string => label.replaceAll("_", " ");

/**
 * Class names of a scan's objects, with spaces, by object id.
 * @throws UserError as `readObjects`, for the aggregation file
 */
export function readLabels(folder: string, id: string): string[] {
  return readGroups(objectFiles(folder, id).aggregation).map((g) => spaced(g.label));
}

/**
 * Boxes of the annotated objects: bounds of their aligned mesh vertices (paper.md 6.3).
 *
 * @param alignment row-major 4x4
 * @throws UserError when a file is missing, damaged, or contradicts another
 */
export function readObjects(folder: string, id: string, alignment: Float64Array): SceneObject[] {
  const files = objectFiles(folder, id);
  const groups = readGroups(files.aggregation);
  const { segIndices } = (readJson(files.segments, "the segment of each mesh vertex", again) ?? {}) as {
    segIndices?: unknown;
  };
  if (!Array.isArray(segIndices)) throw new UserError(`${files.segments}: has no segIndices list; ${again}`);
  const aligned = alignedVertices(folder, id, alignment);
  if (segIndices.length !== aligned.length / 3) {
    throw new UserError(
      `${files.segments}: lists ${segIndices.length} vertices, but ${id}_vh_clean_2.ply has ` +
        `${aligned.length / 3}; the two belong to different versions of the scan`,
    );
  }
  const vertices = new Map<unknown, number[]>();
  segIndices.forEach((segment: unknown, v) => {
    const list = vertices.get(segment);
    if (list === undefined) vertices.set(segment, [v]);
    else list.push(v);
  });
  return groups.map((group) => {
    const box = boxOfPoints(
      aligned,
      group.segments.flatMap((s) => vertices.get(s) ?? []),
    );
    if (box === undefined)
      throw new UserError(
        `${files.aggregation}: object ${group.objectId} (${group.label}) has no vertex in the mesh; take the ` +
          "scan's files again",
      );
    if (!box.every(Number.isFinite))
      throw new UserError(
        `${files.mesh}: object ${group.objectId} (${group.label}) has a vertex that is not a number; take the ` +
          "mesh from the scan again",
      );
    return { id: group.objectId, label: spaced(group.label), box };
  });
}
