import type { Bounds } from "../../geometry/box";
import { transformPoints } from "../../geometry/rigid";
import type { Mesh } from "../../io/ply";
import { colours } from "./classes";
import type { Layout } from "./layout";
import type { Part } from "./shapes";
import type { Finish } from "./solid";

export interface SegmentedMesh {
  readonly mesh: Mesh;
  /** Segment of each vertex; one segment a part, the room's own last. */
  readonly segments: number[];
  /** Segments of each object. */
  readonly objectSegments: number[][];
}

const boxFaces = [
  0, 2, 1, 1, 2, 3, 4, 5, 6, 5, 7, 6, 0, 1, 4, 1, 5, 4, 2, 6, 3, 3, 6, 7, 0, 4, 2, 2, 4, 6, 1, 3, 5, 3, 7, 5,
];

function boxCorners([x0, y0, z0, x1, y1, z1]: Bounds): number[] {
  const out: number[] = [];
  for (const z of [z0, z1]) for (const y of [y0, y1]) for (const x of [x0, x1]) out.push(x, y, z);
  return out;
}

// eight sides with vertices on the axes, so that the prism's bounds are the cylinder's
const ringSides = 8;

function ringCorners([x0, y0, z0, x1, y1, z1]: Bounds): number[] {
  const out: number[] = [];
  for (const z of [z0, z1]) {
    for (let i = 0; i < ringSides; i++) {
      const a = (2 * Math.PI * i) / ringSides;
      out.push((x0 + x1) / 2 + ((x1 - x0) / 2) * Math.cos(a), (y0 + y1) / 2 + ((y1 - y0) / 2) * Math.sin(a), z);
    }
  }
  return out;
}

function ringFaces(): number[] {
  const out: number[] = [];
  for (let i = 0; i < ringSides; i++) {
    const j = (i + 1) % ringSides;
    out.push(i, j, i + ringSides, j, j + ringSides, i + ringSides);
    if (i > 0 && i < ringSides - 1) out.push(0, i + 1, i, ringSides, ringSides + i, ringSides + i + 1);
  }
  return out;
}

/**
 * The mesh of a room as a scanner would store it, not aligned to the axes.
 *
 * @param toScan row-major 4x4, aligned world to stored world
 */
export function meshOf(layout: Layout, finish: Finish, toScan: Float64Array): SegmentedMesh {
  const points: number[] = [];
  const rgb: number[] = [];
  const faces: number[] = [];
  const segments: number[] = [];
  const add = (shape: Part["shape"], bounds: Bounds, colour: readonly number[], segment: number): void => {
    const first = points.length / 3;
    const corners = shape === "box" ? boxCorners(bounds) : ringCorners(bounds);
    for (const x of corners) points.push(x);
    for (let i = 0; i < corners.length / 3; i++) {
      rgb.push(...colour);
      segments.push(segment);
    }
    for (const f of shape === "box" ? boxFaces : ringFaces()) faces.push(first + f);
  };
  let segment = 0;
  const objectSegments = layout.objects.map((object) =>
    object.parts.map((part) => {
      add(part.shape, part.bounds, colours[object.colour], segment);
      return segment++;
    }),
  );
  const [w, d, h] = layout.size;
  add("box", [-w / 2, -d / 2, 0, w / 2, d / 2, h], finish.walls, segment);
  return {
    mesh: {
      points: Float32Array.from(transformPoints(toScan, points)),
      colours: Uint8Array.from(rgb),
      faces: Int32Array.from(faces),
    },
    segments,
    objectSegments,
  };
}
