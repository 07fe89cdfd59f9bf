import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { boxOfPoints } from "../geometry/box";
import { transformPoints } from "../geometry/rigid";
import { readPly } from "../io/ply";
import { checkBox } from "./box-file";
import { frameStore } from "./frame-source";
import { parseJson } from "./json-file";
import type { SceneMesh, SceneObject } from "./scene";

const again = "take the file from the scan again";
const Whole = z.int().min(0);

const Aggregation = z.looseObject({
  sceneId: z.string().optional(),
  segmentsFile: z.string().optional(),
  segGroups: z.array(z.looseObject({ objectId: Whole, label: z.string(), segments: z.array(Whole) })),
});
type Aggregation = z.infer<typeof Aggregation>;

const Segments = z.looseObject({ sceneId: z.string().optional(), segIndices: z.array(z.number()) });

/** Boxes of objects of one's own scan, in the world of its poses after alignment. */
const BoxList = z.array(z.looseObject({ label: z.string(), box: z.array(z.unknown()) }));

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
 * boxes.json beside the frames of a scan without ScanNet's annotation: [{"label", "box": [cx, cy, cz, dx, dy, dz]}],
 * metres.
 */
export function boxListFile(folder: string, id: string): string | undefined {
  const store = frameStore(folder, id);
  const places = [join(folder, "scans", id), ...(store?.layout === undefined ? [] : [store.path])];
  return places.map((place) => join(place, "boxes.json")).find((file) => existsSync(file));
}

/**
 * A scan's mesh in the axis-aligned world, metres.
 *
 * @throws UserError when it is missing or damaged
 */
export function alignedMesh(folder: string, id: string, alignment: Float64Array): SceneMesh {
  const { mesh } = objectFiles(folder, id);
  if (!existsSync(mesh)) throw new UserError(`${mesh} is missing: expected the scan's mesh; download it with the scan`);
  const { points, faces } = readPly(readFileSync(mesh), mesh);
  return { points: transformPoints(alignment, points), faces };
}

/** "scannet.scene0011_00" → "scene0011_00": the annotators' files name the set in front. */
const withoutSet = (name: string): string => name.replace(/^scannet\./, "");

/** The annotated objects, by their ids: exactly 0 to n - 1, since an object's id is its place in every list. */
function readGroups(folder: string, id: string): Aggregation["segGroups"] {
  const { aggregation: file, segments } = objectFiles(folder, id);
  const { sceneId, segmentsFile, segGroups } = parseJson(file, Aggregation, "the scan's objects", again);
  if (sceneId !== undefined && withoutSet(sceneId) !== id)
    throw new UserError(`${file}: is about scene "${withoutSet(sceneId)}", expected "${id}"; ${again}`);
  if (segmentsFile !== undefined && !segments.endsWith(withoutSet(segmentsFile)))
    throw new UserError(
      `${file}: names segments of ${withoutSet(segmentsFile)}, but the lab reads ` +
        `${id}_vh_clean_2.0.010000.segs.json; ` +
        "take both files of one segmentation from the scan again",
    );
  const groups = [...segGroups].sort((a, b) => a.objectId - b.objectId);
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
 *
 * @throws UserError as `readObjects`, for the file that names them
 */
export function readLabels(folder: string, id: string): string[] {
  const list = existsSync(objectFiles(folder, id).aggregation) ? undefined : boxListFile(folder, id);
  if (list !== undefined) return readBoxList(list).map(({ label }) => label);
  return readGroups(folder, id).map((g) => spaced(g.label));
}

function readBoxList(file: string): SceneObject[] {
  const todo = 'write [{"label", "box": [cx, cy, cz, dx, dy, dz]}, …] in metres';
  return parseJson(file, BoxList, "the objects' boxes", todo).map(({ label, box }, i) => {
    return { id: i, label: spaced(label), box: checkBox(box, `${file}: box ${i}`) };
  });
}

/**
 * Boxes of the annotated objects: bounds of their aligned mesh vertices (paper.md 6.3); of a scan without annotation
 * those of its boxes.json.
 *
 * @param mesh the scan's, in the axis-aligned world
 * @throws UserError when a file is missing, damaged, or contradicts another
 */
export function readObjects(folder: string, id: string, mesh: () => SceneMesh): SceneObject[] {
  const files = objectFiles(folder, id);
  if (!existsSync(files.aggregation)) {
    const list = boxListFile(folder, id);
    if (list !== undefined) return readBoxList(list);
    throw new UserError(
      `${files.aggregation} is missing: expected the scan's objects; download it with the scan, or write their boxes ` +
        `into ${join(folder, "scans", id, "boxes.json")}: [{"label", "box": [cx, cy, cz, dx, dy, dz]}, …] in metres`,
    );
  }
  const groups = readGroups(folder, id);
  const { sceneId, segIndices } = parseJson(files.segments, Segments, "the segment of each mesh vertex", again);
  if (sceneId !== undefined && withoutSet(sceneId) !== id)
    throw new UserError(`${files.segments}: is about scene "${withoutSet(sceneId)}", expected "${id}"; ${again}`);
  const { points } = mesh();
  if (segIndices.length !== points.length / 3) {
    throw new UserError(
      `${files.segments}: lists ${segIndices.length} vertices, but ${id}_vh_clean_2.ply has ` +
        `${points.length / 3}; the two belong to different versions of the scan`,
    );
  }
  const vertices = new Map<number, number[]>();
  segIndices.forEach((segment, v) => {
    const list = vertices.get(segment);
    if (list === undefined) vertices.set(segment, [v]);
    else list.push(v);
  });
  return groups.map(({ objectId, label, segments }) => {
    const absent = segments.find((s) => !vertices.has(s));
    if (absent !== undefined)
      throw new UserError(
        `${files.aggregation}: object ${objectId} (${label}) has segment ${absent}, which no vertex of ` +
          `${id}_vh_clean_2` +
          ".0.010000.segs.json belongs to; the two are of different segmentations, take both from the scan again",
      );
    const box = boxOfPoints(
      points,
      segments.flatMap((s) => vertices.get(s)!),
    );
    if (box === undefined)
      throw new UserError(
        `${files.aggregation}: object ${objectId} (${label}) has no vertex in the mesh; take the scan's files again`,
      );
    if (!box.every(Number.isFinite))
      throw new UserError(
        `${files.mesh}: object ${objectId} (${label}) has a vertex that is not a number; take the mesh from the scan ` +
          "again",
      );
    return { id: objectId, label: spaced(label), box };
  });
}
