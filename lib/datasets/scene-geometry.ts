import { type Bounds, boundsOf } from "../geometry/box";
import { project } from "../geometry/camera";
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

const inside = ([x0, y0, z0, x1, y1, z1]: Bounds, x: number, y: number, z: number): boolean =>
  x >= x0 - BOX_MARGIN &&
  x <= x1 + BOX_MARGIN &&
  y >= y0 - BOX_MARGIN &&
  y <= y1 + BOX_MARGIN &&
  z >= z0 - BOX_MARGIN &&
  z <= z1 + BOX_MARGIN;

/** Counts points that a view sees too, and at how many of them it measured the same depth. */
function compare(
  points: readonly number[],
  view: View,
  tolerance: number,
  count: { both: number; same: number },
): void {
  const toCamera = invertRigid(view.pose);
  for (let i = 0; i < points.length; i += 3) {
    const { u, v, depth } = project([points[i]!, points[i + 1]!, points[i + 2]!], view.intrinsics, toCamera);
    const [x, y] = [Math.round(u), Math.round(v)];
    if (depth <= 0 || x < 0 || y < 0 || x >= view.size || y >= view.size) continue;
    const measured = view.depth[y * view.size + x]!;
    if (measured === 0) continue;
    count.both++;
    if (Math.abs(measured - depth) <= tolerance + DEPTH_SHARE * depth) count.same++;
  }
}

function share(all: readonly number[], is: (x: number, y: number, z: number) => boolean): number | undefined {
  const n = all.length / 3;
  if (n < FEWEST) return undefined;
  let hits = 0;
  for (let i = 0; i < all.length; i += 3) if (is(all[i]!, all[i + 1]!, all[i + 2]!)) hits++;
  return hits / n;
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
  const all = points.flat();
  const surface = checks.onMesh === 0 ? undefined : surfaceOf(scene, checks.tolerance);
  const boxes = scene.objects.map(({ box }) => boundsOf(box));
  const onMesh = surface === undefined ? undefined : share(all, (x, y, z) => onSurface(surface, x, y, z));
  const inBoxes =
    boxes.length === 0 || checks.inBoxes === 0
      ? undefined
      : share(all, (x, y, z) => boxes.some((box) => inside(box, x, y, z)));
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
