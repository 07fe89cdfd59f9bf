import type { TensorInfo } from "@tensorflow/tfjs-core";
import { BackendError } from "../errors";
import type { Dtype } from "../ir";
import type { Emission } from "../lower/emission";
import { tf } from "../tf";
import { define, type KernelTable, listOf } from "./kernel";

export interface Activation {
  activation?: string;
  leakyreluAlpha?: number;
}

/**
 * tfjs' fused epilogue.
 *
 * @param slope name of the prelu weights, when there are any
 */
export function activate(e: Emission, x: string, { activation, leakyreluAlpha }: Activation, slope?: string): string {
  switch (activation ?? "linear") {
    case "linear":
      return x;
    case "relu":
      return e.node("Relu", [x]);
    case "relu6":
      return e.node("Clip", [x, e.scalar(0), e.scalar(6)]);
    case "elu":
      return e.node("Elu", [x]);
    case "sigmoid":
      return e.node("Sigmoid", [x]);
    case "leakyrelu":
      return e.node("LeakyRelu", [x], { alpha: { float: leakyreluAlpha ?? 0.2 } });
    case "prelu":
      return e.node("PRelu", [x, slope!]);
    default:
      throw new BackendError(`fused activation "${activation}" is unknown; apply it as an operation of its own`);
  }
}

interface MatMulAttrs {
  transposeA: boolean;
  transposeB: boolean;
}

function productShape(a: TensorInfo, b: TensorInfo, { transposeA, transposeB }: MatMulAttrs): number[] {
  const [rows, innerA] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const [innerB, columns] = transposeB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!];
  tf.util.assert(
    innerA === innerB,
    () =>
      `matMul: inner sizes ${innerA} and ${innerB} differ for [${a.shape.join(", ")}]${transposeA ? "ᵀ" : ""} ` +
      `x [${b.shape.join(", ")}]${transposeB ? "ᵀ" : ""}`,
  );
  return [...tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows!, columns!];
}

/** Columns from which a transposed first operand is pre-transposed: 5 to 20 % faster; with fewer as fast or slower. */
const WIDE = 1024;

const trivial = (shape: readonly number[], axis: number): boolean => shape.at(axis) === 1;

function product(e: Emission, { transposeA, transposeB }: MatMulAttrs): string {
  const swap = (i: number, on: boolean): string => {
    const rank = e.shape(i).length;
    const perm = Array.from({ length: rank }, (_, k) => (k < rank - 2 ? k : 2 * rank - 3 - k));
    return on ? e.transpose(e.in(i), perm) : e.in(i);
  };
  // FusedMatMul knows floats only.
  if (e.dtype(0) !== "float32") return e.node("MatMul", [swap(0, transposeA), swap(1, transposeB)]);
  // The transpose of a row or a column is a reshape.
  if (transposeB && trivial(e.shape(1), -2) && e.shape(1).length === 2 && !transposeA)
    return e.matmul(e.in(0), e.reshape(e.in(1), [e.shape(1)[1]!, 1]));
  if (
    transposeA &&
    e.graph.target.pretransposes &&
    e.shape(0).length === 2 &&
    e.shape(1).length === 2 &&
    e.out.shape[1]! >= WIDE
  ) {
    const [K, M] = e.shape(0) as [number, number];
    // as a stack of one: ONNX Runtime fuses a plain transpose back into the product
    const pretransposed = e.reshape(e.transpose(e.reshape(e.in(0), [1, K, M]), [0, 2, 1]), [M, K]);
    return e.matmul(pretransposed, e.in(1), false, transposeB);
  }
  return e.matmul(e.in(0), e.in(1), transposeA, transposeB, [e.shape(0).length, e.shape(1).length]);
}

export const matmulKernels: KernelTable = {
  BatchMatMul: define<MatMulAttrs, MatMulAttrs>(({ a, b }, { transposeA, transposeB }) => {
    if (a!.dtype !== b!.dtype || a!.dtype === "bool") return undefined;
    const attrs = { transposeA, transposeB };
    return { ins: [a!, b!], outs: [{ shape: productShape(a!, b!, attrs), dtype: a!.dtype as Dtype }], attrs };
  }, product),
  _FusedMatMul: define<MatMulAttrs & Activation, MatMulAttrs & Activation & { bias: boolean }>(
    ({ a, b, bias, preluActivationWeights }, { transposeA, transposeB, activation, leakyreluAlpha }) => {
      const attrs = { transposeA, transposeB, activation, leakyreluAlpha, bias: bias != null };
      const ins = [
        a!,
        b!,
        ...(bias == null ? [] : [bias]),
        ...(preluActivationWeights == null ? [] : [preluActivationWeights]),
      ];
      return { ins, outs: [{ shape: productShape(a!, b!, attrs), dtype: "float32" }], attrs };
    },
    (e, attrs) => {
      const y = product(e, attrs);
      const z = attrs.bias ? e.node("Add", [y, e.in(2)]) : y;
      return activate(e, z, attrs, attrs.activation === "prelu" ? e.in(attrs.bias ? 3 : 2) : undefined);
    },
  ),
  Einsum: define<{ equation: string }, { equation: string }>(
    (inputs, { equation }) => {
      const all = listOf(inputs);
      if (all.some((t) => t.dtype !== "float32")) return undefined;
      const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, all.length);
      tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, all as never);
      const sizes = new Map<number, number>();
      all.forEach((t, i) => idDims[i]!.forEach((d, axis) => sizes.set(d, t.shape[axis]!)));
      const shape = allDims
        .map((_, d) => d)
        .filter((d) => !summedDims.includes(d))
        .map((d) => sizes.get(d)!);
      return { ins: all, outs: [{ shape, dtype: "float32" }], attrs: { equation } };
    },
    (e, { equation }) => e.node("Einsum", e.ins(), { equation }),
  ),
};
