/** Where output pixels lie on the input's grid, in tfjs' words. */
export interface Grid {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/**
 * Bilinear interpolation of one axis as a matrix [to, from]: row r holds the weights of the two input samples
 * around r's source coordinate. Being a matrix, its transpose is the exact gradient.
 */
export function interpolation(from: number, to: number, { alignCorners, halfPixelCenters }: Grid): Float32Array {
  const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  const weights = new Float32Array(to * from);
  for (let r = 0; r < to; r++) {
    const at = Math.min(Math.max(halfPixelCenters ? (r + 0.5) * scale - 0.5 : r * scale, 0), from - 1);
    const low = Math.floor(at);
    weights[r * from + low] = 1 - (at - low);
    if (low + 1 < from) weights[r * from + low + 1] = at - low;
  }
  return weights;
}
