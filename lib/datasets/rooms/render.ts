import type { Intrinsics } from "../../geometry/camera";
import { project } from "../../geometry/camera";
import { boundsOf, cornersOf } from "../../geometry/box";
import { invertRigid } from "../../geometry/rigid";
import { colours } from "./classes";
import type { Layout } from "./layout";
import { marked } from "./patterns";
import type { Part, Tone } from "./shapes";

type Rgb = readonly [number, number, number];

/** Walls and light of a room. */
export interface Finish {
  readonly floor: Rgb;
  readonly walls: Rgb;
  /** Direction to the light, unit. */
  readonly light: readonly [number, number, number];
}

/** A clean picture: no noise, no holes. */
export interface Picture {
  /** float32[size, size, 3] 0..255 */
  readonly colour: Float32Array;
  /** float32[size, size] metres along the optical axis */
  readonly depth: Float32Array;
  /** int16[size, size] object id, -1 for walls, floor and ceiling */
  readonly objects: Int16Array;
}

function toned(base: Rgb, tone: Tone): Rgb {
  const mix = (other: Rgb, share: number): Rgb => [0, 1, 2].map((i) => base[i]! * (1 - share) + other[i]! * share) as unknown as Rgb;
  switch (tone) {
    case "main": return base;
    case "dark": return mix([20, 20, 20], 0.55);
    case "light": return mix([250, 250, 250], 0.5);
    case "contrast": return base[0] * 0.3 + base[1] * 0.59 + base[2] * 0.11 > 140 ? toned(base, "dark") : toned(base, "light");
    case "glow": return mix([255, 250, 225], 0.3);
    case "leaf": return [62, 112, 48];
    case "wood": return [150, 112, 72];
    case "metal": return [150, 152, 158];
    case "screen": return [30, 34, 44];
  }
}

/** A room flattened for fast ray tests. */
export interface Solid {
  readonly layout: Layout;
  readonly finish: Finish;
  /** float64[parts, 6] bounds */
  readonly bounds: Float64Array;
  readonly cylinder: Uint8Array;
  readonly tint: Float64Array;
  /** Colour of the marks of a part with a pattern. */
  readonly markTint: Float64Array;
  readonly parts: readonly Part[];
  /** First part of each object, and the end. */
  readonly starts: readonly number[];
}

export function solidOf(layout: Layout, finish: Finish): Solid {
  const parts = layout.objects.flatMap((o) => o.parts);
  const tints = layout.objects.flatMap((o) => o.parts.map((part) => toned(colours[o.colour], part.tone)));
  const markTints = layout.objects.flatMap((o) => o.parts.map((part) => toned(colours[o.colour], part.pattern?.tone ?? part.tone)));
  const starts = [0];
  for (const o of layout.objects) starts.push(starts[starts.length - 1]! + o.parts.length);
  return {
    layout, finish, starts, parts,
    bounds: Float64Array.from(parts.flatMap((p) => [...p.bounds])),
    cylinder: Uint8Array.from(parts.map((p) => (p.shape === "cylinder" ? 1 : 0))),
    tint: Float64Array.from(tints.flat()),
    markTint: Float64Array.from(markTints.flat()),
  };
}

/** Screen rectangle that holds a box; the whole screen when the box reaches behind the camera. */
function screenRect(box: Parameters<typeof cornersOf>[0], k: Intrinsics, worldToCamera: Float64Array, size: number): [number, number, number, number] | undefined {
  let [u0, v0, u1, v1] = [Infinity, Infinity, -Infinity, -Infinity];
  let behind = 0;
  for (const corner of cornersOf(box)) {
    const { u, v, depth } = project(corner, k, worldToCamera);
    if (depth < 0.05) {
      behind++;
      continue;
    }
    u0 = Math.min(u0, u);
    u1 = Math.max(u1, u);
    v0 = Math.min(v0, v);
    v1 = Math.max(v1, v);
  }
  if (behind === 8) return undefined;
  if (behind > 0) return [0, 0, size - 1, size - 1];
  const rect: [number, number, number, number] = [
    Math.max(0, Math.ceil(u0)), Math.max(0, Math.ceil(v0)), Math.min(size - 1, Math.floor(u1)), Math.min(size - 1, Math.floor(v1)),
  ];
  return rect[0] > rect[2] || rect[1] > rect[3] ? undefined : rect;
}

/**
 * Renders a room by casting one ray a pixel. A ray's direction has length 1 along the optical axis, so the distance along
 * it is the depth. All parts are axis-aligned boxes or upright cylinders.
 */
export function render(solid: Solid, k: Intrinsics, pose: Float64Array, size: number): Picture {
  const { layout, finish, bounds, cylinder, tint, markTint, parts, starts } = solid;
  const pixels = size * size;
  const depth = new Float32Array(pixels);
  const objects = new Int16Array(pixels).fill(-1);
  const colour = new Float32Array(3 * pixels);
  const rays = new Float64Array(3 * pixels);
  const [ox, oy, oz] = [pose[3]!, pose[7]!, pose[11]!];
  const [lx, ly, lz] = finish.light;
  const shade = (nx: number, ny: number, nz: number): number => 0.62 + 0.38 * (nx * lx + ny * ly + nz * lz);

  // walls, floor and ceiling
  const [w, d, h] = layout.size;
  const sides = [shade(1, 0, 0), shade(-1, 0, 0), shade(0, 1, 0), shade(0, -1, 0)];
  for (let v = 0, i = 0; v < size; v++) {
    for (let u = 0; u < size; u++, i++) {
      const a = (u - k.cx) / k.fx;
      const b = (v - k.cy) / k.fy;
      const dx = pose[0]! * a + pose[1]! * b + pose[2]!;
      const dy = pose[4]! * a + pose[5]! * b + pose[6]!;
      const dz = pose[8]! * a + pose[9]! * b + pose[10]!;
      rays[3 * i] = dx;
      rays[3 * i + 1] = dy;
      rays[3 * i + 2] = dz;
      // a ray along a wall never reaches it
      const tx = dx === 0 ? Infinity : ((dx > 0 ? w / 2 : -w / 2) - ox) / dx;
      const ty = dy === 0 ? Infinity : ((dy > 0 ? d / 2 : -d / 2) - oy) / dy;
      const tz = dz === 0 ? Infinity : ((dz > 0 ? h : 0) - oz) / dz;
      let base = finish.walls;
      let light: number;
      let t: number;
      if (tz < tx && tz < ty) {
        t = tz;
        if (dz > 0) light = 1.05;
        else {
          base = finish.floor;
          const tile = (Math.floor((ox + t * dx) * 2) + Math.floor((oy + t * dy) * 2)) & 1;
          light = shade(0, 0, 1) * (tile === 0 ? 1 : 0.9);
        }
      } else if (tx < ty) {
        t = tx;
        light = dx > 0 ? sides[1]! : sides[0]!;
      } else {
        t = ty;
        light = dy > 0 ? sides[3]! : sides[2]!;
      }
      depth[i] = t;
      colour[3 * i] = base[0] * light;
      colour[3 * i + 1] = base[1] * light;
      colour[3 * i + 2] = base[2] * light;
    }
  }

  const worldToCamera = invertRigid(pose);
  layout.objects.forEach((object, id) => {
    const rect = screenRect(object.box, k, worldToCamera, size);
    if (rect === undefined) return;
    const [bx0, by0, bz0, bx1, by1, bz1] = boundsOf(object.box);
    for (let v = rect[1]; v <= rect[3]; v++) {
      for (let u = rect[0]; u <= rect[2]; u++) {
        const i = v * size + u;
        const dx = rays[3 * i]!;
        const dy = rays[3 * i + 1]!;
        const dz = rays[3 * i + 2]!;
        let near = depth[i]!;
        // the object's own box first
        const ix = 1 / dx;
        const iy = 1 / dy;
        const iz = 1 / dz;
        const ax = (bx0 - ox) * ix;
        const cx = (bx1 - ox) * ix;
        const ay = (by0 - oy) * iy;
        const cy = (by1 - oy) * iy;
        const az = (bz0 - oz) * iz;
        const cz = (bz1 - oz) * iz;
        const low = Math.max(Math.min(ax, cx), Math.min(ay, cy), Math.min(az, cz));
        const high = Math.min(Math.max(ax, cx), Math.max(ay, cy), Math.max(az, cz));
        if (low > high || high < 0.05 || low > near) continue;

        let hit = -1;
        let nx = 0;
        let ny = 0;
        let nz = 0;
        for (let p = starts[id]!; p < starts[id + 1]!; p++) {
          const at = 6 * p;
          const z0 = bounds[at + 2]!;
          const z1 = bounds[at + 5]!;
          if (cylinder[p] === 1) {
            const rx = (bounds[at + 3]! - bounds[at]!) / 2;
            const ry = (bounds[at + 4]! - bounds[at + 1]!) / 2;
            const px = (ox - (bounds[at]! + bounds[at + 3]!) / 2) / rx;
            const py = (oy - (bounds[at + 1]! + bounds[at + 4]!) / 2) / ry;
            const ex = dx / rx;
            const ey = dy / ry;
            const qa = ex * ex + ey * ey;
            const qb = px * ex + py * ey;
            const qc = px * px + py * py - 1;
            const disc = qb * qb - qa * qc;
            if (disc <= 0) continue;
            const side = (-qb - Math.sqrt(disc)) / qa;
            const z = oz + side * dz;
            if (side > 0.05 && side < near && z >= z0 && z <= z1) {
              near = side;
              hit = p;
              const mx = (px + side * ex) / rx;
              const my = (py + side * ey) / ry;
              const length = Math.sqrt(mx * mx + my * my);
              nx = mx / length;
              ny = my / length;
              nz = 0;
            } else if (dz < 0 && oz > z1) {
              const cap = (z1 - oz) / dz;
              const hx = px + cap * ex;
              const hy = py + cap * ey;
              if (cap > 0.05 && cap < near && hx * hx + hy * hy <= 1) {
                near = cap;
                hit = p;
                nx = 0;
                ny = 0;
                nz = 1;
              }
            }
            continue;
          }
          const qx0 = (bounds[at]! - ox) * ix;
          const qx1 = (bounds[at + 3]! - ox) * ix;
          const qy0 = (bounds[at + 1]! - oy) * iy;
          const qy1 = (bounds[at + 4]! - oy) * iy;
          const qz0 = (z0 - oz) * iz;
          const qz1 = (z1 - oz) * iz;
          const nearX = Math.min(qx0, qx1);
          const nearY = Math.min(qy0, qy1);
          const nearZ = Math.min(qz0, qz1);
          const a0 = Math.max(nearX, nearY, nearZ);
          const a1 = Math.min(Math.max(qx0, qx1), Math.max(qy0, qy1), Math.max(qz0, qz1));
          if (a0 > a1 || a0 < 0.05 || a0 >= near) continue;
          near = a0;
          hit = p;
          nx = a0 === nearX ? -Math.sign(dx) : 0;
          ny = nx === 0 && a0 === nearY ? -Math.sign(dy) : 0;
          nz = nx === 0 && ny === 0 ? -Math.sign(dz) : 0;
        }
        if (hit < 0) continue;
        depth[i] = near;
        objects[i] = id;
        const { pattern, tone, shape } = parts[hit]!;
        // a lamp's shade has no dark side
        const light = tone === "glow" ? 1.05 : shade(nx, ny, nz);
        let paint = tint;
        if (pattern !== undefined) {
          const x = ox + near * dx - (bx0 + bx1) / 2;
          const y = oy + near * dy - (by0 + by1) / 2;
          const level = nz !== 0 ? x : shape === "cylinder" ? (Math.atan2(y, x) * (bx1 - bx0)) / 2 : nx !== 0 ? y : x;
          const up = nz !== 0 ? y : oz + near * dz - bz0;
          if (marked(pattern.kind, level / pattern.period, up / pattern.period)) paint = markTint;
        }
        colour[3 * i] = paint[3 * hit]! * light;
        colour[3 * i + 1] = paint[3 * hit + 1]! * light;
        colour[3 * i + 2] = paint[3 * hit + 2]! * light;
      }
    }
  });
  return { colour, depth, objects };
}
