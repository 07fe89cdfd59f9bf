import { join } from "node:path";
import sharp from "sharp";
import { plyFile, put } from "./scan";

/** Written by hand from ARKitScenes' documentation (DATA.md, threedod/README.md); shares nothing with the reader. */
export const video = "41069021";
/** Seconds of the frames, as file names have them. */
export const times = ["305.377", "305.477", "305.577", "305.677"];
export const size = [8, 6] as const;
/** fx, fy, cx, cy of frame i. */
export const pincamOf = (i: number): [number, number, number, number] => [7 + i, 7.5 + i, 3.5, 2.5];
export const depthOf = (i: number): number => 1500 + 10 * i;

/** A box turned by 30° about z: its corners written out from the axes. */
export const turned = { centroid: [1, 2, 0.5], axesLengths: [2, 1, 1], degrees: 30 };
const [c, s] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
/** Rows are the axes. */
export const axes = [c, s, 0, -s, c, 0, 0, 0, 1];
export const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((i): [number, number, number] => {
  const [a, b, h] = [(i & 1 ? 1 : -1) * 1, (i & 2 ? 1 : -1) * 0.5, (i & 4 ? 1 : -1) * 0.5];
  return [1 + a * c - b * s, 2 + a * s + b * c, 0.5 + h];
});

/**
 * The camera at time i stands at (i, -1, 1.5) and looks along +y, x right, z up; the trajectory has the way from world
 * to camera.
 */
export const cameraAt = (i: number): [number, number, number] => [i, -1, 1.5];
/** World to camera: x → x, z → -y, y → z, a turn of +90° about x. */
export const axisAngle = [Math.PI / 2, 0, 0];
export function trajectoryLine(i: number, seconds = times[i]!): string {
  const [x, y, z] = cameraAt(i);
  // R p + t = 0 at the camera, with R (x, y, z) = (x, -z, y)
  return [seconds, ...axisAngle, -x, z, -y].join(" ");
}

export interface ArkitSpec {
  readonly fold?: "Training" | "Validation";
  readonly id?: string;
  readonly annotation?: unknown;
  readonly trajectory?: readonly string[];
}

/** One capture below a data folder. */
export async function writeCapture(
  folder: string,
  { fold = "Validation", id = video, annotation, trajectory }: ArkitSpec = {},
): Promise<string> {
  const capture = join(folder, fold, id);
  const frames = join(capture, `${id}_frames`);
  for (const [i, time] of times.entries()) {
    const [cols, rows] = size;
    const depth = new Uint16Array(cols * rows).fill(depthOf(i));
    put(
      join(frames, "lowres_wide", `${id}_${time}.png`),
      await sharp(new Uint8Array(cols * rows * 3).fill(40 + 40 * i), {
        raw: { width: cols, height: rows, channels: 3 },
      })
        .png()
        .toBuffer(),
    );
    put(
      join(frames, "lowres_depth", `${id}_${time}.png`),
      await sharp(depth, { raw: { width: cols, height: rows, channels: 1 } })
        .toColourspace("grey16")
        .png()
        .toBuffer(),
    );
    // the second frame's intrinsics are named a thousandth of a second off
    put(
      join(frames, "lowres_wide_intrinsics", `${id}_${i === 1 ? "305.476" : time}.pincam`),
      `${cols} ${rows} ${pincamOf(i).join(" ")}\n`,
    );
  }
  put(join(frames, "lowres_wide.traj"), `${(trajectory ?? times.map((_, i) => trajectoryLine(i))).join("\n")}\n`);
  put(
    join(capture, `${id}_3dod_annotation.json`),
    JSON.stringify(
      annotation ?? {
        skipped: false,
        stats: {},
        data: [
          {
            uid: "a",
            label: "tv_monitor",
            segments: {
              obbAligned: {
                centroid: [0, 0, 1],
                axesLengths: [1, 0.5, 0.25],
                normalizedAxes: [1, 0, 0, 0, 1, 0, 0, 0, 1],
              },
            },
          },
          {
            uid: "b",
            label: "sofa",
            segments: {
              obbAligned: { centroid: turned.centroid, axesLengths: turned.axesLengths, normalizedAxes: axes },
            },
          },
        ],
      },
    ),
  );
  put(join(capture, `${id}_3dod_mesh.ply`), plyFile(corners));
  return capture;
}
