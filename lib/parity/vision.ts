import { z } from "zod";
import { tf } from "../engine/tf";
import { type PoolMode, poolTokens } from "../model/pooling";
import { projector, projectorParameters } from "../model/projector";
import { visionParameters, visionPrefix, visionStates } from "../model/vision";
import { layerNorm, layerNormParameters } from "../nn/norms";
import { Scope } from "../nn/scope";
import { canonicalName } from "../weights/hf-names";
import { blockConfig, type Case, caseConfig, differentiate, loadParameters, type Produced } from "./case";

const SiglipSizes = z.looseObject({
  image_size: z.int(),
  patch_size: z.int(),
  hidden_size: z.int(),
  intermediate_size: z.int(),
  num_hidden_layers: z.int(),
  num_attention_heads: z.int(),
  layer_norm_eps: z.number(),
});

/** siglip_vision: the tower with all layers; LLaVA's features are the stream before the last one. */
export function runSiglip(c: Case): Map<string, Produced> {
  const hf = c.settings(SiglipSizes);
  const config = caseConfig({
    vision: {
      imageSize: hf.image_size,
      patchSize: hf.patch_size,
      hiddenSize: hf.hidden_size,
      intermediateSize: hf.intermediate_size,
      layers: hf.num_hidden_layers,
      heads: hf.num_attention_heads,
      layerNormEps: hf.layer_norm_eps,
    },
    // the structure module is not part of this golden, its heads only have to divide the width
    structure: { interView: false, intraView: false },
    lora: { vision: false },
  });
  const full = c.has("param.vision_model.post_layernorm.weight");
  const specs = [
    ...visionParameters(config),
    ...(full ? layerNormParameters(`${visionPrefix}.post_layernorm`, hf.hidden_size) : []),
  ];
  const parameters = loadParameters(specs, c.parameterFiles());
  const pixels = tf.variable(c.tensor("pixel_values"));
  const p = new Scope(parameters).at(visionPrefix);
  const wrt = new Map(
    c.named(/^grad\./).map((name) => {
      const of = name.slice("grad.".length);
      return [of, of === "pixel_values" ? pixels : parameters.get(canonicalName(of))!];
    }),
  );
  const { outputs, grads } = differentiate(() => {
    const states = visionStates(p, pixels.transpose([0, 2, 3, 1]) as tf.Tensor4D, config.vision);
    const features = states[states.length - 2]!;
    const [, N, D] = features.shape;
    const weighted = features
      .mul(c.tensor("loss_weight"))
      .sum()
      .div(Math.sqrt(N * D));
    const loss = weighted.add(features.square().mean()).asScalar();
    const found: Record<string, tf.Tensor> = { features, loss };
    states.forEach((state, k) => (found[`full.hidden_states.${k}`] = state));
    if (full)
      found["full.last_hidden_state"] = layerNorm(
        p.at("post_layernorm"),
        states[states.length - 1]!,
        config.vision.layerNormEps,
      );
    return { loss, outputs: found };
  }, wrt);
  const produced = new Map(outputs);
  for (const [name, value] of grads) produced.set(`grad.${name}`, value);
  return produced;
}

function runProjector(c: Case, produced: Map<string, Produced>): void {
  const [dout, din] = c.shape("proj.param.0.weight");
  const config = blockConfig({ vision: { hiddenSize: din }, language: { hiddenSize: dout } });
  const stored = new Map(
    [...c.parameterFiles(/^proj\.param\./)].map(([name, tensor]) => [`mm_projector.${name}`, tensor]),
  );
  const parameters = loadParameters(projectorParameters(config), stored);
  const x = tf.variable(c.tensor("proj.x"));
  const wrt = new Map(
    c.named(/^proj\.grad\./).map((name) => {
      const of = name.slice("proj.grad.".length);
      return [of, of === "x" ? x : parameters.get(`model.mm_projector.${of}`)!];
    }),
  );
  const { outputs, grads } = differentiate(() => {
    const y = projector(new Scope(parameters).at("model.mm_projector"), x, "none");
    const loss = (c.has("proj.loss_weight") ? y.mul(c.tensor("proj.loss_weight")) : y).mean().asScalar();
    return { loss, outputs: { y, loss } };
  }, wrt);
  for (const [name, value] of outputs) produced.set(`proj.${name}`, value);
  for (const [name, value] of grads) produced.set(`proj.grad.${name}`, value);
}

/** llava_projector_pool: the projector, and every pooling that the golden's outputs name. */
export function runProjectorPool(c: Case): Map<string, Produced> {
  const produced = new Map<string, Produced>();
  if (c.has("proj.x")) runProjector(c, produced);
  for (const name of c.named(/^pool\..*\.y$/)) {
    const [, grid, stride, mode] = /^pool\.(\d+x\d+)\.stride(\d+)\.(\w+)\.y$/.exec(name) ?? [];
    if (grid === undefined) continue;
    const x = tf.variable(c.tensor(`pool.${grid}.x`));
    const { outputs, grads } = differentiate(
      () => {
        const y = poolTokens(x as tf.Tensor as tf.Tensor3D, mode as PoolMode, Number(stride));
        const loss = y
          .reshape([-1])
          .mul(tf.linspace(-1, 1, y.size))
          .sum()
          .asScalar();
        return { loss, outputs: { y } };
      },
      new Map([["x", x]]),
    );
    produced.set(name, outputs.get("y")!);
    produced.set(name.replace(/y$/, "grad.x"), grads.get("x")!);
  }
  return produced;
}
