import { boundsOf } from "../geometry/box";
import { invertRigid } from "../geometry/rigid";
import { onSurface, type SurfaceGrid, surfaceGrid } from "../geometry/surface";
import { percent } from "./frame-checks";
import { readWholeViews, type ScanNetScene } from "./scannet";
import type { View } from "./scene";

/** Points of a frame that are looked at, on a grid of this many a side. */
const GRID = 14;
/** How far two frames' depth may be apart beyond the tolerance, as a share of the depth. */
const DEPTH_SHARE = 0.03;
/** Points outside of a box count as inside up to here, metres. */
const BOX_MARGIN = 0.05;
/** Fewer points than this prove nothing. */
const FEWEST = 40;

/**
 * How well a scene's frames, mesh, boxes and poses fit together; shares are undefined where nothing could be compared.
 */
export interface SceneGeometry {
  /** Share of the frames' points that lie on the mesh. */
  readonly onMesh?: number;
  /** Share of the frames' points that lie in the objects' boxes. */
  readonly inBoxes?: number;
  /** Share of points seen by two neighbouring frames at which both measured the same. */
  readonly neighbours?: number;
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
}

/** Measured points of a view in the world, [n, 3] metres, on a coarse grid of its pixels. */
function pointsOf({ depth, size, intrinsics: k, pose: T }: View): number[] {
  const out: number[] = [];
  const step = Math.max(1, Math.floor(size / GRID));
  for (let v = step >> 1; v < size; v += step) {
    for (let u = step >> 1; u < size; u += step) {
      const d = depth[v * size + u]!;
      if (d === 0) continue;
      const x = ((u - k.cx) / k.fx) * d;
      const y = ((v - k.cy) / k.fy) * d;
      for (let r = 0; r < 12; r += 4) out.push(T[r]! * x + T[r + 1]! * y + T[r + 2]! * d + T[r + 3]!);
    }
  }
  return out;
}

/** Whether a point lies in one of the boxes, six numbers each: least corner, greatest corner. */
function inAny(bounds: Float64Array, x: number, y: number, z: number): boolean {
  for (let b = 0; b < bounds.length; b += 6) {
    if (x < bounds[b]! || y < bounds[b + 1]! || z < bounds[b + 2]!) continue;
    if (x <= bounds[b + 3]! && y <= bounds[b + 4]! && z <= bounds[b + 5]!) return true;
  }
  return false;
}

/** Counts points that a view sees too, and at how many of them it measured the same depth. */
function compare(
  points: readonly number[],
  view: View,
  tolerance: number,
  count: { both: number; same: number },
): void {
  const { size, depth, intrinsics: k } = view;
  const m = invertRigid(view.pose);
  // as `project`, without an object a point
  const moved = (row: number, i: number): number =>
    m[row]! * points[i]! + m[row + 1]! * points[i + 1]! + m[row + 2]! * points[i + 2]! + m[row + 3]!;
  for (let i = 0; i < points.length; i += 3) {
    const z = moved(8, i);
    if (!(z > 0)) continue;
    const u = Math.round((k.fx * moved(0, i)) / z + k.cx);
    const v = Math.round((k.fy * moved(4, i)) / z + k.cy);
    if (!(u >= 0 && v >= 0 && u < size && v < size)) continue;
    const measured = depth[v * size + u]!;
    if (measured === 0) continue;
    count.both++;
    if (Math.abs(measured - z) <= tolerance + DEPTH_SHARE * z) count.same++;
  }
}

/** Share of points of which something is true; undefined where there are too few. */
function share(
  views: readonly (readonly number[])[],
  is: (x: number, y: number, z: number) => boolean,
): number | undefined {
  let [n, hits] = [0, 0];
  for (const points of views) {
    n += points.length / 3;
    for (let i = 0; i < points.length; i += 3) if (is(points[i]!, points[i + 1]!, points[i + 2]!)) hits++;
  }
  return n < FEWEST ? undefined : hits / n;
}

function surfaceOf(scene: ScanNetScene, tolerance: number): SurfaceGrid | undefined {
  const mesh = scene.mesh();
  if (mesh === undefined || mesh.points.length === 0 || !mesh.points.every(Number.isFinite)) return undefined;
  return surfaceGrid(mesh.points, mesh.faces, tolerance);
}

/**
 * Holds views of a scene against its mesh, its boxes and each other: poses that are world to camera, in another world
 * or metres off, depth of another scale and foreign intrinsics all show there.
 */
export function sceneGeometry(scene: ScanNetScene, views: readonly View[]): SceneGeometry {
  const { checks } = scene.rules;
  const points = views.map(pointsOf);
  const surface = checks.onMesh === 0 ? undefined : surfaceOf(scene, checks.tolerance);
  const boxes = Float64Array.from(
    scene.objects.flatMap(({ box }) => boundsOf(box).map((at, i) => (i < 3 ? at - BOX_MARGIN : at + BOX_MARGIN))),
  );
  const onMesh = surface === undefined ? undefined : share(points, (x, y, z) => onSurface(surface, x, y, z));
  const inBoxes =
    boxes.length === 0 || checks.inBoxes === 0 ? undefined : share(points, (x, y, z) => inAny(boxes, x, y, z));
  const count = { both: 0, same: 0 };
  const places = views.map(({ frame }) => scene.frames.indexOf(frame));
  if (checks.neighbours > 0) {
    for (const [i, place] of places.entries()) {
      const j = places.indexOf(place + 1);
      if (j < 0) continue;
      compare(points[i]!, views[j]!, checks.tolerance, count);
      compare(points[j]!, views[i]!, checks.tolerance, count);
    }
  }
  const neighbours = count.both < FEWEST ? undefined : count.same / count.both;
  const shares = { onMesh, inBoxes, neighbours };
  const said = {
    onMesh: "of the frames' points lie on the mesh",
    inBoxes: "of the frames' points lie in the objects' boxes",
    neighbours: "of the points that neighbouring frames share coincide",
  } as const;
  const problems = (Object.keys(said) as (keyof typeof said)[]).flatMap((key) =>
    // frames far apart see each other's surfaces hidden: the mesh says more, where there is one
    shares[key] === undefined || shares[key]! >= checks[key] || (key === "neighbours" && onMesh !== undefined)
      ? []
      : [`${percent(shares[key]!)} ${said[key]}, expected at least ${percent(checks[key])} (checks.${key})`],
  );
  return { ...shares, problems };
}

/** What to look for when geometry does not fit. */
export const geometryRemedy =
  "look whether poses are camera to world in metres, depth is in the unit of depth.scale, intrinsics are the depth " +
  "camera's, and poses, mesh and boxes are of one scan";

/** Pairs of neighbouring frames that are read to compare them. */
const PAIRS = 3;

/**
 * As `sceneGeometry`, of views that need not be neighbours: where none are, a few neighbours are read beside them.
 *
 * @param size side of the views, pixels
 */
export async function proveGeometry(scene: ScanNetScene, views: readonly View[], size: number): Promise<SceneGeometry> {
  const distinct = [...new Map(views.map((view) => [view.frame, view])).values()];
  const there = new Set(distinct.map(({ frame }) => frame));
  const next = (frame: string): string | undefined => scene.frames[scene.frames.indexOf(frame) + 1];
  const paired = distinct.some(({ frame }) => there.has(next(frame) ?? ""));
  const step = Math.max(1, Math.floor(distinct.length / PAIRS));
  const wanted = paired
    ? []
    : distinct
        .filter((_, i) => i % step === 0)
        .flatMap(({ frame }) => next(frame) ?? [])
        .filter((frame) => !there.has(frame));
  const more = wanted.length === 0 ? [] : (await readWholeViews(scene, wanted, size)).views;
  return sceneGeometry(scene, [...distinct, ...more.filter(({ frame }) => !there.has(frame))]);
}
