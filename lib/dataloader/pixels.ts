/** Colours 0..255 as the tower reads them: mean 0.5 and deviation 0.5 a channel (SigLIP). Written to `out` from `at` on. */
export function normalisePixels(colour: Uint8Array, out: Float32Array, at: number): void {
  for (let i = 0; i < colour.length; i++, at++) out[at] = towerValue[colour[i]!]!;
}
const towerValue = Float32Array.from({ length: 256 }, (_, level) => level / 127.5 - 1);
