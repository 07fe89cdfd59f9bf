import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

/**
 * A room as a phone's depth app would leave it, written after 7-Scenes' description by code that shares nothing with
 * the readers: frame-000000.color.png, .depth.png (16-bit millimetres, 65535 where nothing was measured), .pose.txt
 * (camera to world), no mesh, no segments; and boxes.json. The room is a box seen from inside, 4 x 5 x 2.6 m, with
 * three cupboards on its floor; each pixel is found by intersecting its ray with those boxes.
 */
export const cupboards = [
  { label: "cabinet", from: [-1.9, -2.4, 0], to: [-1.1, -1.6, 1.5], rgb: [180, 40, 40] },
  { label: "cabinet", from: [1.0, -2.3, 0], to: [1.9, -1.7, 1.0], rgb: [40, 160, 60] },
  { label: "desk", from: [-0.6, 1.4, 0], to: [0.9, 2.3, 0.8], rgb: [50, 70, 190] },
] as const;
const room = { from: [-2, -2.5, 0], to: [2, 2.5, 2.6] };
const [width, height, focal] = [160, 120, 130];

type Vec = readonly [number, number, number];

/** Where a ray enters a box (or leaves the room, seen from inside): distance along the ray, or infinity. */
function meets(
  origin: Vec,
  ray: Vec,
  box: { readonly from: readonly number[]; readonly to: readonly number[] },
): [number, number] {
  let enter = -Infinity;
  let leave = Infinity;
  for (let k = 0; k < 3; k++) {
    const a = (box.from[k]! - origin[k]!) / ray[k]!;
    const b = (box.to[k]! - origin[k]!) / ray[k]!;
    enter = Math.max(enter, Math.min(a, b));
    leave = Math.min(leave, Math.max(a, b));
  }
  return [enter, leave];
}

/** Camera of a frame: it stands near the middle and turns slowly, a little downwards. */
function camera(i: number, count: number): { at: Vec; right: Vec; down: Vec; forward: Vec } {
  const turn = (2 * Math.PI * i) / count;
  const tilt = -0.35;
  const forward: Vec = [Math.cos(turn) * Math.cos(tilt), Math.sin(turn) * Math.cos(tilt), Math.sin(tilt)];
  const right: Vec = [Math.sin(turn), -Math.cos(turn), 0];
  const down: Vec = [
    forward[1] * right[2] - forward[2] * right[1],
    forward[2] * right[0] - forward[0] * right[2],
    forward[0] * right[1] - forward[1] * right[0],
  ];
  return { at: [0.2 * Math.cos(turn), 0.2 * Math.sin(turn), 1.5], right, down, forward };
}

export async function writePhoneScan(folder: string, frames = 24): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < frames; i++) {
    const { at, right, down, forward } = camera(i, frames);
    const depth = new Uint16Array(width * height);
    const colour = Buffer.alloc(3 * width * height);
    for (let v = 0; v < height; v++) {
      for (let u = 0; u < width; u++) {
        const [x, y] = [(u - width / 2) / focal, (v - height / 2) / focal];
        const ray = [0, 1, 2].map((k) => forward[k]! + x * right[k]! + y * down[k]!) as [number, number, number];
        let z = meets(at, ray, room)[1];
        let rgb: readonly number[] = [150 + 20 * ((u >> 4) & 1), 150, 140];
        for (const cupboard of cupboards) {
          const [enter, leave] = meets(at, ray, cupboard);
          if (enter > 0 && enter <= leave && enter < z) [z, rgb] = [enter, cupboard.rgb];
        }
        const p = v * width + u;
        // every ninth pixel was not measured: the app writes the largest number
        depth[p] = (7 * u + 3 * v) % 9 === 0 ? 65535 : Math.round(1000 * z);
        for (let k = 0; k < 3; k++) colour[3 * p + k] = rgb[k]!;
      }
    }
    const name = join(folder, `frame-${String(i).padStart(6, "0")}`);
    await sharp(colour, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(`${name}.color.png`);
    await sharp(depth, { raw: { width, height, channels: 1 } })
      .toColourspace("grey16")
      .png()
      .toFile(`${name}.depth.png`);
    const rows = [0, 1, 2].map((k) => [right[k], down[k], forward[k], at[k]].join("\t "));
    writeFileSync(`${name}.pose.txt`, `${rows.join("\t \n")}\t \n0\t 0\t 0\t 1\t \n`);
  }
  writeFileSync(join(folder, "intrinsics.txt"), `${focal} 0 ${width / 2}\n0 ${focal} ${height / 2}\n0 0 1\n`);
  const boxes = cupboards.map(({ label, from, to }) => ({
    label,
    box: [...[0, 1, 2].map((k) => (from[k]! + to[k]!) / 2), ...[0, 1, 2].map((k) => to[k]! - from[k]!)],
  }));
  writeFileSync(join(folder, "boxes.json"), JSON.stringify(boxes));
}
