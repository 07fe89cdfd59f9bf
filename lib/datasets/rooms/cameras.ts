import type { Rng } from "../../core/rng";
import type { Intrinsics } from "../../geometry/camera";
import { multiply4 } from "../../geometry/rigid";
import type { RoomsConfig } from "./config";
import type { Layout } from "./layout";

export function cameraOf(config: RoomsConfig): Intrinsics {
  const f = config.image / 2 / Math.tan((config.fieldOfView * Math.PI) / 360);
  const c = (config.image - 1) / 2;
  return { fx: f, fy: f, cx: c, cy: c };
}

/** Camera-to-world pose at `from` that looks at `to`, rolled by `roll` radians. Camera x right, y down, z forward. */
function lookAt(from: readonly number[], to: readonly number[], roll: number): Float64Array {
  const unit = (v: readonly number[]): number[] => {
    const n = Math.hypot(...v);
    return v.map((x) => x / n);
  };
  const cross = (a: readonly number[], b: readonly number[]): number[] => [
    a[1]! * b[2]! - a[2]! * b[1]!,
    a[2]! * b[0]! - a[0]! * b[2]!,
    a[0]! * b[1]! - a[1]! * b[0]!,
  ];
  const forward = unit(to.map((x, i) => x - from[i]!));
  const right = unit(cross(forward, [0, 0, 1]));
  const down = cross(forward, right);
  const [c, s] = [Math.cos(roll), Math.sin(roll)];
  const out = new Float64Array(16);
  for (let i = 0; i < 3; i++) {
    out[4 * i] = c * right[i]! + s * down[i]!;
    out[4 * i + 1] = -s * right[i]! + c * down[i]!;
    out[4 * i + 2] = forward[i]!;
    out[4 * i + 3] = from[i]!;
  }
  out[15] = 1;
  return out;
}

/** Slowly varying noise around 0: a sum of two waves with random phases. */
function sway(rng: Rng, amount: number): (t: number) => number {
  const [p, q] = [rng.uniform(0, 2 * Math.PI), rng.uniform(0, 2 * Math.PI)];
  return (t) => amount * (0.7 * Math.sin(2 * Math.PI * t + p) + 0.3 * Math.sin(6 * Math.PI * t + q));
}

/**
 * A hand-held walk around the room, held above the furniture and looking across: `count` true poses.
 *
 * @param share of the way around; 1: once around
 */
export function walk(layout: Layout, count: number, rng: Rng, share = 1): Float64Array[] {
  const [w, d] = layout.size;
  const start = rng.uniform(0, 2 * Math.PI);
  const direction = rng.next() < 0.5 ? 1 : -1;
  const height = rng.uniform(1.6, 1.9);
  const [radius, lift, aside, reach] = [sway(rng, 0.1), sway(rng, 0.1), sway(rng, 0.25), sway(rng, 0.08)];
  return Array.from({ length: count }, (_, i) => {
    const t = (share * i) / count;
    const angle = start + direction * 2 * Math.PI * t + rng.uniform(-0.1, 0.1);
    const r = 0.93 + radius(t);
    // a rounded rectangle: a circle pushed out towards the corners
    const stretch = 1 / Math.max(Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))) ** 0.6;
    const from = [
      (w / 2) * r * Math.cos(angle) * stretch,
      (d / 2) * r * Math.sin(angle) * stretch,
      height + lift(t) + rng.uniform(-0.04, 0.04),
    ];
    const limit = [w / 2 - 0.25, d / 2 - 0.25];
    from[0] = Math.min(Math.max(from[0]!, -limit[0]!), limit[0]!);
    from[1] = Math.min(Math.max(from[1]!, -limit[1]!), limit[1]!);
    // looks at a point on its own side of the middle: near objects fill patches, far ones are seen from the other side
    const aim = 0.33 + reach(t);
    const to = [
      from[0]! * aim - Math.sin(angle) * aside(t) + rng.uniform(-0.15, 0.15),
      from[1]! * aim + Math.cos(angle) * aside(t) + rng.uniform(-0.15, 0.15),
      rng.uniform(0.3, 0.5),
    ];
    return lookAt(from, to, rng.uniform(-0.04, 0.04));
  });
}

/** A pose as the scanner reports it: shifted and turned a little. */
export function disturbed(pose: Float64Array, config: RoomsConfig, rng: Rng): Float64Array {
  const angles = [0, 1, 2].map(() => (rng.normal() * config.poseTurn * Math.PI) / 180);
  const turn = (axis: number, angle: number): Float64Array => {
    const [i, j] = [(axis + 1) % 3, (axis + 2) % 3];
    const m = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
    m[4 * i + i] = m[4 * j + j] = Math.cos(angle);
    m[4 * i + j] = -Math.sin(angle);
    m[4 * j + i] = Math.sin(angle);
    return m;
  };
  const out = angles.reduce((p, angle, axis) => multiply4(p, turn(axis, angle)), pose);
  for (let i = 0; i < 3; i++) out[4 * i + 3]! += rng.normal() * config.poseShift;
  return out;
}
