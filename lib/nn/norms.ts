import type * as tfTypes from "@tensorflow/tfjs-core";
import type { ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import { asRows } from "./linear";
import type { Scope } from "./scope";

// The gradients are written out: half the operations of what automatic differentiation would record.

function plainNorm(x_RD: tfTypes.Tensor2D, eps: number): { hat: tfTypes.Tensor; inverse: tfTypes.Tensor } {
  const centred = x_RD.sub(x_RD.mean(1, true));
  const inverse = centred.square().mean(1, true).add(eps).rsqrt();
  return { hat: centred.mul(inverse), inverse };
}

/** Gradient through x̂ = (x - mean) / std, given the gradient at x̂. */
function throughNorm(g: tfTypes.Tensor, hat: tfTypes.Tensor, inverse: tfTypes.Tensor): tfTypes.Tensor {
  const along = g.mul(hat).mean(1, true);
  return g.sub(g.mean(1, true)).sub(hat.mul(along)).mul(inverse);
}

/** LayerNorm over the last axis without weights. */
export function standardise(x: tfTypes.Tensor, eps = 1e-5): tfTypes.Tensor {
  const op = tf.customGrad((rows, save) => {
    const { hat, inverse } = plainNorm(rows as tfTypes.Tensor2D, eps);
    (save as tfTypes.GradSaveFunc)([hat, inverse]);
    return { value: hat, gradFunc: (dy: tfTypes.Tensor, [h, r]: tfTypes.Tensor[]) => throughNorm(dy, h!, r!) };
  });
  return op(asRows(x)).reshape(x.shape);
}

/** LayerNorm over the last axis, with `weight` and `bias` of the scope. */
export function layerNorm(p: Scope, x: tfTypes.Tensor, eps: number): tfTypes.Tensor {
  const op = tf.customGrad((rows, weight, bias, save) => {
    const { hat, inverse } = plainNorm(rows as tfTypes.Tensor2D, eps);
    (save as tfTypes.GradSaveFunc)([hat, inverse, weight as tfTypes.Tensor]);
    return {
      value: hat.mul(weight as tfTypes.Tensor).add(bias as tfTypes.Tensor),
      gradFunc: (dy: tfTypes.Tensor, [h, r, w]: tfTypes.Tensor[]) => [
        throughNorm(dy.mul(w!), h!, r!),
        dy.mul(h!).sum(0),
        dy.sum(0),
      ],
    };
  });
  return op(asRows(x), p.get("weight"), p.get("bias")).reshape(x.shape);
}

/** x / rms(x) * weight over the last axis. */
export function rmsNorm(p: Scope, x: tfTypes.Tensor, eps: number): tfTypes.Tensor {
  const op = tf.customGrad((rows, weight, save) => {
    const x_RD = rows as tfTypes.Tensor2D;
    const inverse = x_RD.square().mean(1, true).add(eps).rsqrt();
    const hat = x_RD.mul(inverse);
    (save as tfTypes.GradSaveFunc)([hat, inverse, weight as tfTypes.Tensor]);
    return {
      value: hat.mul(weight as tfTypes.Tensor),
      gradFunc: (dy: tfTypes.Tensor, [h, r, w]: tfTypes.Tensor[]) => {
        const g = dy.mul(w!);
        return [g.sub(h!.mul(g.mul(h!).mean(1, true))).mul(r!), dy.mul(h!).sum(0)];
      },
    };
  });
  return op(asRows(x), p.get("weight")).reshape(x.shape);
}

/** x / ‖x‖ over the last axis; the floor sits inside the root, so that a zero row has a finite gradient. */
export function unit(x: tfTypes.Tensor): tfTypes.Tensor {
  return x.mul(x.square().sum(-1, true).add(1e-12).rsqrt());
}

export function layerNormParameters(name: string, width: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [width], init: { kind: "ones" } },
    { name: `${name}.bias`, shape: [width], init: { kind: "zeros" } },
  ];
}
