import type * as tfTypes from "@tensorflow/tfjs-core";
import type { Init, ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import type { Scope } from "./scope";

function withBias(p: Scope, y: tfTypes.Tensor4D): tfTypes.Tensor4D {
  return p.has("bias") ? y.add(p.get("bias")) : y;
}

/** 1x1 convolution; weights [out, in, 1, 1]. */
export function conv1(p: Scope, x: tfTypes.Tensor4D): tfTypes.Tensor4D {
  const weight = p.get("weight");
  const [out, width] = weight.shape as [number, number];
  const [n, Y, X] = x.shape;
  const y = tf.matMul(x.reshape([n * Y * X, width]), weight.reshape([out, width]), false, true);
  return withBias(p, y.reshape([n, Y, X, out]));
}

/** 3x3 convolution with one pixel of zeros around; weights [out, in, 3, 3]. */
export function conv3(p: Scope, x: tfTypes.Tensor4D, stride = 1): tfTypes.Tensor4D {
  const filter = p.get("weight").transpose([2, 3, 1, 0]) as tfTypes.Tensor4D;
  return withBias(p, tf.conv2d(x, filter, stride, 1));
}

/** Transposed convolution whose stride is its side, so that the patches do not overlap; weights [in, out, s, s]. */
export function upconv(p: Scope, x: tfTypes.Tensor4D): tfTypes.Tensor4D {
  const weight = p.get("weight");
  const [width, out, side] = weight.shape as [number, number, number];
  const [n, Y, X] = x.shape;
  const filter = weight.transpose([0, 2, 3, 1]).reshape([width, side * side * out]);
  const y = tf.matMul(x.reshape([n * Y * X, width]), filter).reshape([n, Y, X, side, side, out]);
  return withBias(p, y.transpose([0, 1, 3, 2, 4, 5]).reshape([n, Y * side, X * side, out]));
}

export function convParameters(name: string, shape: [number, number, number, number], init: Init, bias = true, biasSize = shape[0]): ParameterSpec[] {
  const list: ParameterSpec[] = [{ name: `${name}.weight`, shape, init }];
  if (bias) list.push({ name: `${name}.bias`, shape: [biasSize], init: { kind: "zeros" } });
  return list;
}
