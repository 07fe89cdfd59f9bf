import type { Init, ParameterSpec } from "../core/parameters";
import { planeConv, type tf } from "../engine/tf";
import type { Scope } from "./scope";

const biasOf = (p: Scope): tf.Tensor | undefined => (p.has("bias") ? p.get("bias") : undefined);

/**
 * Convolution of an odd side with zeros around, so that stride 1 keeps the size; weights [out, in, side, side].
 *
 * @param x float32[n, in, Y, X]
 */
export function conv(p: Scope, x: tf.Tensor4D, stride = 1): tf.Tensor4D {
  return planeConv(x, p.get("weight") as tf.Tensor4D, biasOf(p), stride);
}

/**
 * Transposed convolution whose stride is its side, so that the patches do not overlap; weights [in, out, side, side].
 *
 * @param x float32[n, in, Y, X]
 * @returns float32[n, out, Y * side, X * side]
 */
export function upconv(p: Scope, x: tf.Tensor4D): tf.Tensor4D {
  const weight = p.get("weight");
  const [width, out, side] = weight.shape as [number, number, number];
  const [n, , Y, X] = x.shape;
  const filter = weight
    .reshape([width, out * side * side])
    .transpose()
    .reshape([out * side * side, width, 1, 1]);
  const y = planeConv(x, filter as tf.Tensor4D, undefined).reshape([n, out, side, side, Y, X]);
  const bias = biasOf(p);
  const grid = y.transpose([0, 1, 4, 2, 5, 3]).reshape([n, out, Y * side, X * side]) as tf.Tensor4D;
  return bias === undefined ? grid : grid.add(bias.reshape([out, 1, 1]));
}

export function convParameters(
  name: string,
  shape: [number, number, number, number],
  init: Init,
  bias = true,
  biasSize = shape[0],
): ParameterSpec[] {
  const list: ParameterSpec[] = [{ name: `${name}.weight`, shape, init }];
  if (bias) list.push({ name: `${name}.bias`, shape: [biasSize], init: { kind: "zeros" } });
  return list;
}
