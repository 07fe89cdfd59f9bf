import { tf } from "../engine/tf";
import { constant } from "./constants";

/** float32[1, out, in] weights of a linear interpolation along one axis. */
function interpolation(size: number, out: number, source: (j: number) => number): tf.Tensor3D {
  const weights = new Float32Array(out * size);
  for (let j = 0; j < out; j++) {
    const at = Math.min(Math.max(source(j), 0), size - 1);
    const low = Math.floor(at);
    const high = Math.min(low + 1, size - 1);
    weights[j * size + low]! += 1 - (at - low);
    weights[j * size + high]! += at - low;
  }
  return tf.tensor3d(weights, [1, out, size]);
}

/** Half-pixel centres, no antialias: F.interpolate(mode="bilinear", align_corners=False). */
export function halfPixelMatrix(size: number, out: number): tf.Tensor3D {
  return constant(`half-pixel/${size}/${out}`, () => interpolation(size, out, (j) => ((j + 0.5) * size) / out - 0.5));
}

/** Corners map to corners: align_corners=True. */
export function cornerMatrix(size: number, out: number): tf.Tensor3D {
  const step = out > 1 ? (size - 1) / (out - 1) : 0;
  return constant(`corners/${size}/${out}`, () => interpolation(size, out, (j) => j * step));
}

/** Mean of `stride` neighbours; the rest at the end is dropped. */
export function averageMatrix(size: number, stride: number): tf.Tensor3D {
  const out = Math.floor(size / stride);
  return constant(`average/${size}/${stride}`, () => {
    const weights = new Float32Array(out * size);
    for (let j = 0; j < out; j++) weights.fill(1 / stride, j * size + j * stride, j * size + (j + 1) * stride);
    return tf.tensor3d(weights, [1, out, size]);
  });
}

/**
 * A separable linear map of the two middle axes as two matrix multiplications: every engine has their gradient.
 *
 * @param x float32[n, Y, X, D]
 * @param rows float32[1, Y', Y]
 * @param columns float32[1, X', X]
 * @returns float32[n, Y', X', D]
 */
export function mapGrid(x: tf.Tensor4D, rows: tf.Tensor3D, columns: tf.Tensor3D): tf.Tensor4D {
  const [n, Y, X, D] = x.shape;
  const [outY, outX] = [rows.shape[1], columns.shape[1]];
  const tall = tf.matMul(rows, x.reshape([n, Y, X * D]));
  return tf.matMul(columns, tall.reshape([n * outY, X, D])).reshape([n, outY, outX, D]);
}

/**
 * `mapGrid` on planes.
 *
 * @param x float32[n, D, Y, X]
 * @param rows float32[1, Y', Y]
 * @param columns float32[1, X', X]
 * @returns float32[n, D, Y', X']
 */
export function mapPlanes(x: tf.Tensor4D, rows: tf.Tensor3D, columns: tf.Tensor3D): tf.Tensor4D {
  const [n, D, Y, X] = x.shape;
  const [outY, outX] = [rows.shape[1], columns.shape[1]];
  const wide = tf.matMul(x.reshape([n * D * Y, X]), columns.reshape([outX, X]), false, true);
  return tf.matMul(rows, wide.reshape([n * D, Y, outX])).reshape([n, D, outY, outX]);
}
