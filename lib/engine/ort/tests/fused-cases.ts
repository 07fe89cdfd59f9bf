import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
import { gelu, swiGlu } from "../ops/activations";
import { attention } from "../ops/attention";
import { crossEntropy } from "../ops/cross-entropy";
import { layerNorm } from "../ops/layer-norm";
import { planeConv } from "../ops/plane-conv";
import { rmsNorm } from "../ops/rms-norm";
import { rotary } from "../ops/rotary";
import { tf } from "../tf";
import { Random } from "./random";

/** Value and gradients of a weighted sum, with inputs drawn from one seed. */
export function evaluateFused(shapes: readonly number[][], f: (...x: Tensor[]) => Tensor): Tensor[] {
  const rng = new Random("fused");
  const make = (shape: number[]): Tensor =>
    tf.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.uniform(-3, 3)),
      shape,
    );
  const inputs = shapes.map(make);
  const y = f(...inputs);
  const weights = make(y.shape);
  return [
    y,
    ...tf.grads((...x: Tensor[]) =>
      f(...x)
        .mul(weights)
        .sum(),
    )(inputs),
  ];
}

/** Cosines and signed sines of angles that grow with the token and shrink with the element. */
function angles(tables: number, L: number, K: number, f: (angle: number) => number, first: number): Tensor4D {
  const values = Array.from({ length: tables * L * K }, (_, i) => {
    const half = i % (K / 2);
    return (i % K < K / 2 ? first : 1) * f((Math.floor(i / K) + 1) / (half + 1));
  });
  return tf.tensor4d(values, [tables, L, 1, K]);
}

const turned =
  (tables: number) =>
  (x?: Tensor): Tensor => {
    const [, L, , K] = x!.shape as [number, number, number, number];
    return rotary(x!, angles(tables, L, K, Math.cos, 1), angles(tables, L, K, Math.sin, -1));
  };

// On "cpu" the same functions are plain tfjs operations with tfjs' own gradients: that is the reference.
export const FUSED_CASES: readonly (readonly [string, number[][], (...x: Tensor[]) => Tensor])[] = [
  ["layerNorm", [[2, 3, 8], [8], [8]], (x, g, b) => layerNorm(x!, g, b, 1e-5)],
  ["layerNorm of a matrix", [[5, 8], [8], [8]], (x, g, b) => layerNorm(x!, g, b, 1e-6)],
  ["layerNorm of one row", [[8], [8], [8]], (x, g, b) => layerNorm(x!, g, b, 1e-6)],
  ["layerNorm without weights", [[2, 3, 8]], (x) => layerNorm(x!, undefined, undefined, 1e-5)],
  ["layerNorm with gamma only", [[4, 8], [8]], (x, g) => layerNorm(x!, g, undefined, 1e-5)],
  ["rmsNorm", [[2, 3, 8], [8]], (x, g) => rmsNorm(x!, g, 1e-6)],
  ["rmsNorm without weights", [[4, 8]], (x) => rmsNorm(x!, undefined, 1e-6)],
  ["gelu, exact", [[4, 9]], (x) => gelu(x!, "exact")],
  ["gelu, tanh", [[4, 9]], (x) => gelu(x!, "tanh")],
  ["rotary, one table", [[2, 5, 3, 4]], turned(1)],
  ["rotary, a table a sequence", [[3, 2, 2, 6]], turned(3)],
  [
    "attention",
    [
      [2, 3, 5, 4],
      [2, 3, 6, 4],
      [2, 3, 6, 4],
    ],
    (q, k, v) => attention(q!, k!, v!, { scale: 0.5 }),
  ],
  [
    "attention of matrices with a bias",
    [
      [3, 4],
      [2, 4],
      [2, 4],
    ],
    (q, k, v) => attention(q!, k!, v!, { scale: 0.3, bias: tf.tensor2d([1, -2, 0, 3, -1, 1], [3, 2]) }),
  ],
  [
    "causal attention",
    [
      [2, 7, 4],
      [2, 7, 4],
      [2, 7, 4],
    ],
    (q, k, v) => attention(q!, k!, v!, { scale: 0.5, causal: true }),
  ],
  [
    "causal attention in blocks, three query heads a key head",
    [
      [1, 2, 3 * 300, 4],
      [1, 2, 300, 4],
      [1, 2, 300, 4],
    ],
    (q, k, v) => attention(q!, k!, v!, { scale: 0.5, causal: true }),
  ],
  [
    "swiGlu",
    [
      [4, 9],
      [4, 9],
    ],
    (g, u) => swiGlu(g!, u!),
  ],
  [
    "crossEntropy",
    [[4, 9]],
    (x) => crossEntropy(x as Tensor2D, tf.tensor1d([3, 0, 8, 3], "int32") as Tensor1D, tf.tensor1d([0.5, 0, 0.25, 2])),
  ],
  ["planeConv 3x3", [[2, 3, 5, 4], [4, 3, 3, 3], [4]], (x, f, b) => planeConv(x as Tensor4D, f as Tensor4D, b)],
  [
    "planeConv 3x3, even size, stride 2",
    [[2, 3, 4, 6], [2, 3, 3, 3], [2]],
    (x, f, b) => planeConv(x as Tensor4D, f as Tensor4D, b, 2),
  ],
  [
    "planeConv 3x3, odd size, stride 2",
    [
      [1, 3, 5, 7],
      [2, 3, 3, 3],
    ],
    (x, f) => planeConv(x as Tensor4D, f as Tensor4D, undefined, 2),
  ],
  ["planeConv 1x1", [[2, 3, 2, 3], [4, 3, 1, 1], [4]], (x, f, b) => planeConv(x as Tensor4D, f as Tensor4D, b)],
];
