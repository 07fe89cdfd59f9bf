import type { S2Config } from "../config/schema";
import type { ParameterSpec } from "../core/parameters";
import { fusedGelu, type tf } from "../engine/tf";
import { linear, linearParameters } from "../nn/linear";
import { standardise } from "../nn/norms";
import type { Scope } from "../nn/scope";
import { weightInit } from "./initialise";

/**
 * LLaVA's mlp2x_gelu: from the vision tower's width to the language model's.
 *
 * @param p scope at `mm_projector`
 * @param x float32[..., C]
 * @param outputNorm "layer": departs from the paper, a LayerNorm without weights follows
 * @returns float32[..., D]
 */
export function projector(p: Scope, x: tf.Tensor, outputNorm: S2Config["projector"]["outputNorm"]): tf.Tensor {
  const y = linear(p.at("2"), fusedGelu(linear(p.at("0"), x), "exact"));
  return outputNorm === "layer" ? standardise(y) : y;
}

export function projectorParameters(config: S2Config): ParameterSpec[] {
  const [C, D, init] = [config.vision.hiddenSize, config.language.hiddenSize, config.language.init];
  return [
    ...linearParameters({ name: "model.mm_projector.0", in: C, out: D, weightInit: weightInit(init, C, D) }),
    ...linearParameters({ name: "model.mm_projector.2", in: D, out: D, weightInit: weightInit(init, D, D) }),
  ];
}
