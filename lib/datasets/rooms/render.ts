import { type Box, boundsOf, cornersOf } from "../../geometry/box";
import { type Intrinsics, project } from "../../geometry/camera";
import { invertRigid } from "../../geometry/rigid";
import { marked } from "./patterns";
import type { Solid } from "./solid";

/** A clean picture: no noise, no holes. */
export interface Picture {
  /** float32[size, size, 3] 0..255 */
  readonly colour: Float32Array;
  /** float32[size, size] metres along the optical axis */
  readonly depth: Float32Array;
  /** int16[size, size] object id, -1 for walls, floor and ceiling */
  readonly objects: Int16Array;
}

/** First and last column, first and last row. */
type Rect = readonly [number, number, number, number];

/** Screen rectangle that holds a box; the whole screen when the box reaches behind the camera. */
function screenRect(box: Box, k: Intrinsics, worldToCamera: Float64Array, size: number): Rect | undefined {
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
  if (behind > 0) return [0, size - 1, 0, size - 1];
  const rect: Rect = [
    Math.max(0, Math.ceil(u0)),
    Math.min(size - 1, Math.floor(u1)),
    Math.max(0, Math.ceil(v0)),
    Math.min(size - 1, Math.floor(v1)),
  ];
  return rect[0] > rect[1] || rect[2] > rect[3] ? undefined : rect;
}

/** What each ray meets first, so far. */
interface Film {
  readonly size: number;
  readonly origin: readonly [number, number, number];
  /** float64[size, size, 3] directions, of length 1 along the optical axis */
  readonly rays: Float64Array;
  /** float64[size, size] distance along the ray */
  readonly near: Float64Array;
  /** int32[size, size] part, -1 for the room itself */
  readonly part: Int32Array;
  /** uint8[size, size] axis that the surface lies across: 0, 1, 2; or OUTWARD */
  readonly facing: Uint8Array;
}

/** Away from an upright axis. */
const OUTWARD = 3;

function newFilm(k: Intrinsics, pose: Float64Array, size: number): Film {
  const rays = new Float64Array(3 * size * size);
  for (let v = 0, i = 0; v < size; v++) {
    const b = (v - k.cy) / k.fy;
    for (let u = 0; u < size; u++, i += 3) {
      const a = (u - k.cx) / k.fx;
      rays[i] = pose[0]! * a + pose[1]! * b + pose[2]!;
      rays[i + 1] = pose[4]! * a + pose[5]! * b + pose[6]!;
      rays[i + 2] = pose[8]! * a + pose[9]! * b + pose[10]!;
    }
  }
  return {
    size,
    rays,
    origin: [pose[3]!, pose[7]!, pose[11]!],
    near: new Float64Array(size * size).fill(Infinity),
    part: new Int32Array(size * size).fill(-1),
    facing: new Uint8Array(size * size),
  };
}

function castBox(
  { size, origin, rays, near, part, facing }: Film,
  [u0, u1, v0, v1]: Rect,
  id: number,
  [bx0, by0, bz0, bx1, by1, bz1]: Solid["parts"][number]["bounds"],
): void {
  const [ox, oy, oz] = origin;
  const [x0, x1, y0, y1, z0, z1] = [bx0 - ox, bx1 - ox, by0 - oy, by1 - oy, bz0 - oz, bz1 - oz];
  for (let v = v0; v <= v1; v++) {
    for (let u = u0, i = v * size + u0; u <= u1; u++, i++) {
      const ix = 1 / rays[3 * i]!;
      const iy = 1 / rays[3 * i + 1]!;
      const iz = 1 / rays[3 * i + 2]!;
      const ax = Math.min(x0 * ix, x1 * ix);
      const ay = Math.min(y0 * iy, y1 * iy);
      const az = Math.min(z0 * iz, z1 * iz);
      const into = Math.max(ax, ay, az);
      if (into < 0.05 || into >= near[i]!) continue;
      if (into > Math.min(Math.max(x0 * ix, x1 * ix), Math.max(y0 * iy, y1 * iy), Math.max(z0 * iz, z1 * iz))) continue;
      near[i] = into;
      part[i] = id;
      facing[i] = into === ax ? 0 : into === ay ? 1 : 2;
    }
  }
}

/** An upright cylinder; its lower end is never seen. */
function castCylinder(
  { size, origin, rays, near, part, facing }: Film,
  [u0, u1, v0, v1]: Rect,
  id: number,
  [x0, y0, z0, x1, y1, z1]: Solid["parts"][number]["bounds"],
): void {
  const oz = origin[2];
  const rx = (x1 - x0) / 2;
  const ry = (y1 - y0) / 2;
  const px = (origin[0] - (x0 + x1) / 2) / rx;
  const py = (origin[1] - (y0 + y1) / 2) / ry;
  for (let v = v0; v <= v1; v++) {
    for (let u = u0, i = v * size + u0; u <= u1; u++, i++) {
      const ex = rays[3 * i]! / rx;
      const ey = rays[3 * i + 1]! / ry;
      const dz = rays[3 * i + 2]!;
      const qa = ex * ex + ey * ey;
      const qb = px * ex + py * ey;
      const disc = qb * qb - qa * (px * px + py * py - 1);
      if (disc <= 0) continue;
      const side = (-qb - Math.sqrt(disc)) / qa;
      const z = oz + side * dz;
      if (side > 0.05 && side < near[i]! && z >= z0 && z <= z1) {
        near[i] = side;
        part[i] = id;
        facing[i] = OUTWARD;
      } else if (dz < 0 && oz > z1) {
        const cap = (z1 - oz) / dz;
        if (cap > 0.05 && cap < near[i]! && (px + cap * ex) ** 2 + (py + cap * ey) ** 2 <= 1) {
          near[i] = cap;
          part[i] = id;
          facing[i] = 2;
        }
      }
    }
  }
}

/**
 * Renders a room by casting one ray a pixel. A ray's direction has length 1 along the optical axis, so the distance
 * along
 * it is the depth. All parts are axis-aligned boxes or upright cylinders.
 */
export function render(solid: Solid, k: Intrinsics, pose: Float64Array, size: number): Picture {
  const { layout, parts, boxes, starts } = solid;
  const film = newFilm(k, pose, size);
  const worldToCamera = invertRigid(pose);
  layout.objects.forEach((object, id) => {
    if (screenRect(object.box, k, worldToCamera, size) === undefined) return;
    for (let p = starts[id]!; p < starts[id + 1]!; p++) {
      const rect = screenRect(boxes[p]!, k, worldToCamera, size);
      if (rect !== undefined) (parts[p]!.shape === "box" ? castBox : castCylinder)(film, rect, p, parts[p]!.bounds);
    }
  });
  return shaded(solid, film);
}

/** Colours of what the rays met. */
function shaded(
  { layout, finish, parts, owners, palette }: Solid,
  { origin, rays, near, part, facing }: Film,
): Picture {
  const pixels = near.length;
  const depth = new Float32Array(pixels);
  const objects = new Int16Array(pixels).fill(-1);
  const colour = new Float32Array(3 * pixels);
  const [ox, oy, oz] = origin;
  const [lx, ly, lz] = finish.light;
  const shade = (nx: number, ny: number, nz: number): number => 0.62 + 0.38 * (nx * lx + ny * ly + nz * lz);
  // looking along -axis and along +axis
  const across = [shade(1, 0, 0), shade(-1, 0, 0), shade(0, 1, 0), shade(0, -1, 0), shade(0, 0, 1), shade(0, 0, -1)];
  const [w, d, h] = layout.size;
  const frames = layout.objects.map((o) => boundsOf(o.box));
  for (let i = 0; i < pixels; i++) {
    const dx = rays[3 * i]!;
    const dy = rays[3 * i + 1]!;
    const dz = rays[3 * i + 2]!;
    const p = part[i]!;
    let paint: number;
    let light: number;
    let t = near[i]!;
    if (p < 0) {
      // walls, floor and ceiling; a ray along a wall never reaches it
      const tx = dx === 0 ? Infinity : ((dx > 0 ? w / 2 : -w / 2) - ox) / dx;
      const ty = dy === 0 ? Infinity : ((dy > 0 ? d / 2 : -d / 2) - oy) / dy;
      const tz = dz === 0 ? Infinity : ((dz > 0 ? h : 0) - oz) / dz;
      paint = 2 * parts.length;
      if (tz < tx && tz < ty) {
        t = tz;
        if (dz > 0) light = 1.05;
        else {
          paint = 2 * parts.length + 1;
          const tile = (Math.floor((ox + t * dx) * 2) + Math.floor((oy + t * dy) * 2)) & 1;
          light = across[4]! * (tile === 0 ? 1 : 0.9);
        }
      } else {
        t = Math.min(tx, ty);
        light = tx < ty ? across[dx > 0 ? 1 : 0]! : across[dy > 0 ? 3 : 2]!;
      }
    } else {
      const { pattern, tone, shape, bounds } = parts[p]!;
      const face = facing[i]!;
      // a lamp's shade has no dark side
      if (tone === "glow") light = 1.05;
      else if (face === OUTWARD) {
        const rx = (bounds[3] - bounds[0]) / 2;
        const ry = (bounds[4] - bounds[1]) / 2;
        const mx = (ox + t * dx - (bounds[0] + bounds[3]) / 2) / rx ** 2;
        const my = (oy + t * dy - (bounds[1] + bounds[4]) / 2) / ry ** 2;
        const length = Math.sqrt(mx * mx + my * my);
        light = shade(mx / length, my / length, 0);
      } else light = across[2 * face + (rays[3 * i + face]! > 0 ? 1 : 0)]!;
      paint = p;
      objects[i] = owners[p]!;
      if (pattern !== undefined) {
        const [bx0, by0, bz0, bx1, by1] = frames[owners[p]!]!;
        const x = ox + t * dx - (bx0 + bx1) / 2;
        const y = oy + t * dy - (by0 + by1) / 2;
        const level = face === 2 ? x : shape === "cylinder" ? (Math.atan2(y, x) * (bx1 - bx0)) / 2 : face === 0 ? y : x;
        const up = face === 2 ? y : oz + t * dz - bz0;
        if (marked(pattern.kind, level / pattern.period, up / pattern.period)) paint += parts.length;
      }
    }
    depth[i] = t;
    colour[3 * i] = palette[3 * paint]! * light;
    colour[3 * i + 1] = palette[3 * paint + 1]! * light;
    colour[3 * i + 2] = palette[3 * paint + 2]! * light;
  }
  return { colour, depth, objects };
}
