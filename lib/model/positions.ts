import type { S2Config } from "../config/schema";
import type { ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import { constant } from "../nn/constants";
import { asRows, linear, linearParameters } from "../nn/linear";
import { layerNorm, layerNormParameters } from "../nn/norms";
import type { Scope } from "../nn/scope";
import { weightInit } from "./initialise";

/** float32[3, D] wave numbers of φ, float32[D] 1 where φ is a sine, float32[D] 1 where it is a cosine. */
function waves(D: number): [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D] {
  const m = Math.floor(D / 3);
  const channels = Array.from({ length: 3 * m }, (_, c) => ({ c, axis: Math.floor(c / m), k: c % m }));
  const parity = (odd: number): tf.Tensor1D =>
    constant(`phi/${D}/${odd}`, () => {
      const mask = new Float32Array(D);
      for (const { c, k } of channels) mask[c] = k % 2 === odd ? 1 : 0;
      return tf.tensor1d(mask);
    });
  const numbers = constant(`phi/${D}`, () => {
    const w = new Float32Array(3 * D);
    for (const { c, axis, k } of channels) w[axis * D + c] = 10000 ** ((-2 * Math.floor(k / 2)) / m);
    return tf.tensor2d(w, [3, D]);
  });
  return [numbers, parity(0), parity(1)];
}

/**
 * φ: sinusoidal encoding of voxel coordinates. Blocks x, y, z of floor(D/3) channels; inside a block channel k is a
 * sine (even k) or cosine (odd k) of coordinate / 10000^(2·floor(k/2)/floor(D/3)); spare channels at the end are zero.
 *
 * @param voxels float32[..., 3]
 * @returns float32[..., D]
 */
export function phi(voxels: tf.Tensor, D: number): tf.Tensor {
  const [numbers, sines, cosines] = waves(D);
  const angle = tf.matMul(asRows(voxels), numbers);
  return angle
    .sin()
    .mul(sines)
    .add(angle.cos().mul(cosines))
    .reshape([...voxels.shape.slice(0, -1), D]);
}

/**
 * ψ: learned encoding of ray directions, Linear → LayerNorm → ReLU → Linear.
 *
 * @param p scope at `mlp_pe`
 * @param rays float32[..., 3]
 */
export function psi(p: Scope, rays: tf.Tensor): tf.Tensor {
  return linear(p.at("3"), layerNorm(p.at("1"), linear(p.at("0"), rays), 1e-5).relu());
}

export function psiParameters(config: S2Config): ParameterSpec[] {
  const [M, D, init] = [config.positions.rayHidden, config.language.hiddenSize, config.language.init];
  return [
    ...linearParameters({ name: "mlp_pe.0", in: 3, out: M, weightInit: weightInit(init, 3, M) }),
    ...layerNormParameters("mlp_pe.1", M),
    ...linearParameters({ name: "mlp_pe.3", in: M, out: D, weightInit: weightInit(init, M, D) }),
  ];
}
