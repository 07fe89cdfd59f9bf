import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";

/**
 * A room as a hand-held depth camera leaves it, written after the formats' descriptions by code that shares nothing
 * with the readers; no mesh, no segments, only boxes.json. The room is a box seen from inside, 4 x 5 x 2.6 m, with
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

interface Frame {
  readonly i: number;
  /** uint8[height, width, 3]. */
  readonly colour: Buffer;
  /** Metres; 0 where nothing was measured, every ninth pixel. */
  readonly metres: Float64Array;
  readonly right: Vec;
  readonly down: Vec;
  readonly forward: Vec;
  readonly at: Vec;
}

function frame(i: number, count: number): Frame {
  const { at, right, down, forward } = camera(i, count);
  const metres = new Float64Array(width * height);
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
      if ((7 * u + 3 * v) % 9 !== 0) metres[p] = z;
      for (let k = 0; k < 3; k++) colour[3 * p + k] = rgb[k]!;
    }
  }
  return { i, colour, metres, right, down, forward, at };
}

/** 16-bit depth: metres times `scale`, `hole` where nothing was measured. */
const depth16 = ({ metres }: Frame, scale: number, hole: number): Uint16Array =>
  Uint16Array.from(metres, (z) => (z === 0 ? hole : Math.round(scale * z)));

function matrix({ right, down, forward, at }: Frame): string {
  const rows = [0, 1, 2].map((k) => [right[k], down[k], forward[k], at[k]].join("\t "));
  return `${rows.join("\t \n")}\t \n0\t 0\t 0\t 1\t \n`;
}

/** "tx ty tz qx qy qz qw" of a camera that looks along `forward`; its rotation has the camera's axes as columns. */
function quaternion({ right, down, forward, at }: Frame): string {
  const w = Math.sqrt(Math.max(0, 1 + right[0] + down[1] + forward[2])) / 2;
  const sign = (x: number): number => (x < 0 ? -1 : 1);
  const [x, y, z] = [
    (Math.sqrt(Math.max(0, 1 + right[0] - down[1] - forward[2])) / 2) * sign(down[2] - forward[1]),
    (Math.sqrt(Math.max(0, 1 - right[0] + down[1] - forward[2])) / 2) * sign(forward[0] - right[2]),
    (Math.sqrt(Math.max(0, 1 - right[0] - down[1] + forward[2])) / 2) * sign(right[1] - down[0]),
  ];
  return [...at, x, y, z, w].map((n) => n.toFixed(6)).join(" ");
}

const rgbImage = ({ colour }: Frame): Sharp => sharp(colour, { raw: { width, height, channels: 3 } });
const depthPng = (depth: Uint16Array): Promise<Buffer> =>
  sharp(depth, { raw: { width, height, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toBuffer();

/** A binary 16-bit PGM: the most significant byte first. */
function pgm(depth: Uint16Array): Buffer {
  const pixels = Buffer.alloc(2 * depth.length);
  depth.forEach((d, i) => void pixels.writeUInt16BE(d, 2 * i));
  return Buffer.concat([Buffer.from(`P5\n${width} ${height}\n65535\n`), pixels]);
}

const intrinsics = `${focal} 0 ${width / 2}\n0 ${focal} ${height / 2}\n0 0 1\n`;
const intrinsics4 = `${focal} 0 ${width / 2} 0 0 ${focal} ${height / 2} 0 0 0 1 0 0 0 0 1`;

/** Seconds of a frame's depth image, colour image and pose, as a recording has them: near each other, not equal. */
export const tumTimes = (i: number): readonly [depth: string, colour: string, pose: string] => [
  (1305031102.1 + 0.1 * i).toFixed(6),
  (1305031102.106 + 0.1 * i).toFixed(6),
  (1305031102.094 + 0.1 * i).toFixed(4),
];

type Writer = (folder: string, frames: readonly Frame[]) => Promise<void>;

const writers = {
  /** frame-000000.color.png, .depth.png (millimetres, 65535 for no depth), .pose.txt (camera to world). */
  "7-Scenes": async (folder, frames) => {
    mkdirSync(folder, { recursive: true });
    for (const f of frames) {
      const name = join(folder, `frame-${String(f.i).padStart(6, "0")}`);
      await rgbImage(f).png().toFile(`${name}.color.png`);
      writeFileSync(`${name}.depth.png`, await depthPng(depth16(f, 1000, 65535)));
      writeFileSync(`${name}.pose.txt`, matrix(f));
    }
    writeFileSync(join(folder, "intrinsics.txt"), intrinsics);
  },
  /** ScanNet's C++ reader: frame-000000.color.jpg, .depth.pgm, .pose.txt and _info.txt. */
  "SensReader frames": async (folder, frames) => {
    mkdirSync(folder, { recursive: true });
    for (const f of frames) {
      const name = join(folder, `frame-${String(f.i).padStart(6, "0")}`);
      await rgbImage(f).jpeg({ quality: 95 }).toFile(`${name}.color.jpg`);
      writeFileSync(`${name}.depth.pgm`, pgm(depth16(f, 1000, 0)));
      writeFileSync(`${name}.pose.txt`, matrix(f));
    }
    writeFileSync(
      join(folder, "_info.txt"),
      `m_versionNumber = 4\nm_sensorName = StructureSensor\nm_colorWidth = ${width}\n` +
        `m_calibrationColorIntrinsic = 1 0 2 0 0 3 4 0 0 0 1 0 0 0 0 1 \n` +
        `m_calibrationDepthIntrinsic = ${intrinsics4} \nm_frames.size = ${frames.length}\n`,
    );
  },
  /** scannet_frames_25k: every hundredth frame in color/, depth/, pose/; intrinsics_color.txt, intrinsics_depth.txt. */
  "exported folders": async (folder, frames) => {
    for (const sub of ["color", "depth", "pose"]) mkdirSync(join(folder, sub), { recursive: true });
    for (const f of frames) {
      const name = String(100 * f.i).padStart(6, "0");
      await rgbImage(f)
        .jpeg({ quality: 95 })
        .toFile(join(folder, "color", `${name}.jpg`));
      writeFileSync(join(folder, "depth", `${name}.png`), await depthPng(depth16(f, 1000, 0)));
      writeFileSync(join(folder, "pose", `${name}.txt`), matrix(f));
    }
    writeFileSync(join(folder, "intrinsics_color.txt"), "1 0 2 0 0 3 4 0 0 0 1 0 0 0 0 1");
    writeFileSync(join(folder, "intrinsics_depth.txt"), intrinsics4);
  },
  /** rgb/ and depth/ (5000 a metre) named by seconds; groundtruth.txt with poses at times of their own. */
  "TUM RGB-D": async (folder, frames) => {
    for (const sub of ["rgb", "depth"]) mkdirSync(join(folder, sub), { recursive: true });
    const lines = ["# ground truth trajectory", "# timestamp tx ty tz qx qy qz qw"];
    for (const f of frames) {
      const [depth, colour, pose] = tumTimes(f.i);
      await rgbImage(f)
        .png()
        .toFile(join(folder, "rgb", `${colour}.png`));
      writeFileSync(join(folder, "depth", `${depth}.png`), await depthPng(depth16(f, 5000, 0)));
      lines.push(`${pose} ${quaternion(f)}`);
    }
    writeFileSync(join(folder, "groundtruth.txt"), `${lines.join("\n")}\n`);
    writeFileSync(join(folder, "intrinsics.txt"), `${focal} ${focal} ${width / 2} ${height / 2}\n`);
  },
} satisfies Record<string, Writer>;

export type ScanForm = keyof typeof writers;
export const scanForms = Object.keys(writers) as readonly ScanForm[];

export async function writePhoneScan(folder: string, frames = 24, form: ScanForm = "7-Scenes"): Promise<void> {
  await writers[form](
    folder,
    Array.from({ length: frames }, (_, i) => frame(i, frames)),
  );
  const boxes = cupboards.map(({ label, from, to }) => ({
    label,
    box: [...[0, 1, 2].map((k) => (from[k]! + to[k]!) / 2), ...[0, 1, 2].map((k) => to[k]! - from[k]!)],
  }));
  writeFileSync(join(folder, "boxes.json"), JSON.stringify(boxes));
}
