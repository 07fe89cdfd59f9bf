import { ShapeError } from "../core/errors";
import type { Init, ParameterSpec } from "../core/parameters";
import type { Rng } from "../core/rng";
import { tf } from "../engine/tf";
import type { Scope } from "./scope";

/** Zero with probability `rate`, else divided by 1 - rate. */
export function dropout(x: tf.Tensor, rate: number, rng: Rng): tf.Tensor {
  if (rate === 0) return x;
  const keep = new Float32Array(x.size);
  for (let i = 0; i < keep.length; i++) keep[i] = rng.next() < rate ? 0 : 1 / (1 - rate);
  return x.mul(tf.tensor(keep, x.shape));
}

/** x of any rank as [rows, last axis]. */
export function asRows(x: tf.Tensor): tf.Tensor2D {
  const width = x.shape[x.rank - 1]!;
  return x.reshape([x.size / width, width]);
}

/**
 * y = W x + b + (α/r) B (A x); bias and adapter only where the scope holds them. Weights are [out, in] as in PyTorch.
 *
 * @param x float32[..., in]
 * @returns float32[..., out]
 */
export function linear(p: Scope, x: tf.Tensor): tf.Tensor {
  const weight = p.get("weight") as tf.Tensor2D;
  const [out, width] = weight.shape;
  if (x.shape[x.rank - 1] !== width) throw new ShapeError(`${p.prefix}weight`, "input", `..., ${width}`, x.shape);
  const rows = asRows(x);
  let y: tf.Tensor = tf.matMul(rows, weight, false, true);
  if (p.has("bias")) y = y.add(p.get("bias"));
  if (p.has("lora_A.weight")) {
    const { scale, dropout: drop } = p.adapters;
    const input = drop === undefined ? rows : dropout(rows, drop.rate, drop.rng.fork(p.prefix));
    const low = tf.matMul(input as tf.Tensor2D, p.get("lora_A.weight") as tf.Tensor2D, false, true);
    y = y.add(tf.matMul(low, p.get("lora_B.weight") as tf.Tensor2D, false, true).mul(scale));
  }
  return x.rank === 2 ? y : y.reshape([...x.shape.slice(0, -1), out]);
}

/** W + (α/r) B A: the weight that a linear layer with its adapter amounts to. */
export function mergedWeight(p: Scope): tf.Tensor2D {
  return tf.tidy(() => {
    const weight = p.get("weight") as tf.Tensor2D;
    if (!p.has("lora_A.weight")) return weight.clone();
    const low = tf.matMul(p.get("lora_B.weight") as tf.Tensor2D, p.get("lora_A.weight") as tf.Tensor2D);
    return weight.add(low.mul(p.adapters.scale)) as tf.Tensor2D;
  });
}

export interface LinearSpec {
  readonly name: string;
  readonly in: number;
  readonly out: number;
  readonly bias?: boolean;
  readonly weightInit: Init;
  /** Rank of the adapter; none when absent. */
  readonly loraRank?: number;
}

/** The parameters of one linear layer. The adapter starts as zero: A random, B zero. */
export function linearParameters(spec: LinearSpec): ParameterSpec[] {
  const { name, in: width, out, loraRank } = spec;
  const list: ParameterSpec[] = [{ name: `${name}.weight`, shape: [out, width], init: spec.weightInit }];
  if (spec.bias ?? true) list.push({ name: `${name}.bias`, shape: [out], init: { kind: "zeros" } });
  if (loraRank !== undefined) {
    const limit = 1 / Math.sqrt(width);
    list.push({ name: `${name}.lora_A.weight`, shape: [loraRank, width], init: { kind: "uniform", limit } });
    list.push({ name: `${name}.lora_B.weight`, shape: [out, loraRank], init: { kind: "zeros" } });
  }
  return list;
}
