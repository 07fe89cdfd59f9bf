import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ParameterSpec } from "../core/parameters";
import { attention, fusedGelu, tf } from "../engine/tf";
import { linear, linearParameters } from "../nn/linear";
import { layerNorm, layerNormParameters } from "../nn/norms";
import type { Scope } from "../nn/scope";
import { weightInit } from "./initialise";

type VisionConfig = S2Config["vision"];

/** Name of SigLIP inside LLaVA's checkpoint. */
export const visionPrefix = "model.vision_tower.vision_tower.vision_model";

/**
 * The tower trains, by adapters or wholly: it then runs in every step. No training reaches it where no view is looked
 * at.
 */
export function trainsVision({ lora, data }: S2Config): boolean {
  return !data.blind && (lora.vision || lora.fullVision === true);
}

/** Patches along a side of the image. */
export function patchSide(config: VisionConfig): number {
  return Math.floor(config.imageSize / config.patchSize);
}

/** Convolution whose stride is its side, as one matrix multiplication; leftover pixels right and bottom are dropped. */
function embedPatches(p: Scope, pixels: tf.Tensor4D, size: number): tf.Tensor3D {
  const [n, Y, X, channels] = pixels.shape;
  const [rows, columns] = [Math.floor(Y / size), Math.floor(X / size)];
  const weight = p.get("weight");
  const width = weight.shape[0]!;
  const patches = pixels
    .slice([0, 0, 0, 0], [n, rows * size, columns * size, channels])
    .reshape([n, rows, size, columns, size, channels])
    .transpose([0, 1, 3, 2, 4, 5])
    .reshape([n * rows * columns, size * size * channels]);
  // [out, in] as in `linear`: rounds alike whether or not the runtime may merge the addition into the product
  const filter = weight.transpose([0, 2, 3, 1]).reshape([width, size * size * channels]);
  return tf
    .matMul(patches, filter, false, true)
    .add(p.get("bias"))
    .reshape([n, rows * columns, width]);
}

/** One layer of the tower: float32[n, N, C] to the same. */
export function encoderLayer(
  p: Scope,
  x_nNC: tf.Tensor,
  config: Pick<VisionConfig, "heads" | "layerNormEps">,
): tf.Tensor {
  const [n, N, C] = x_nNC.shape as [number, number, number];
  const K = C / config.heads;
  const h = layerNorm(p.at("layer_norm1"), x_nNC, config.layerNormEps);
  const heads = (name: string): tf.Tensor =>
    linear(p.at("self_attn").at(name), h).reshape([n, N, config.heads, K]).transpose([0, 2, 1, 3]);
  const mixed = attention(heads("q_proj"), heads("k_proj"), heads("v_proj"), { scale: K ** -0.5 });
  const y = x_nNC.add(linear(p.at("self_attn").at("out_proj"), mixed.transpose([0, 2, 1, 3]).reshape([n, N, C])));
  const m = fusedGelu(linear(p.at("mlp").at("fc1"), layerNorm(p.at("layer_norm2"), y, config.layerNormEps)), "tanh");
  return y.add(linear(p.at("mlp").at("fc2"), m));
}

/**
 * SigLIP as LLaVA uses it: no class token, no post-norm, no pooling head; `config.layers` counts the layers kept.
 *
 * @param p scope at `vision_model`
 * @param pixels float32[n, Y, X, 3], normalised to [-1, 1]
 * @returns the residual stream before each layer and after the last: layers + 1 tensors float32[n, N, C]; the tower's
 *   features are the last
 */
export function visionStates(p: Scope, pixels: tf.Tensor4D, config: VisionConfig): tf.Tensor3D[] {
  const embeddings = p.at("embeddings");
  const positions = embeddings.get("position_embedding.weight");
  const patches = embedPatches(embeddings.at("patch_embedding"), pixels, config.patchSize);
  if (patches.shape[1] !== positions.shape[0]) {
    const [, Y, X] = pixels.shape;
    throw new UserError(
      `vision tower: images of ${Y}x${X} pixels give ${patches.shape[1]} patches, ` +
        `the model has ${positions.shape[0]} positions; resize to vision.imageSize`,
    );
  }
  const states = [patches.add(positions) as tf.Tensor3D];
  for (let layer = 0; layer < config.layers; layer++) {
    const at = p.at(`encoder.layers.${layer}`);
    states.push(at.part((x) => encoderLayer(at, x, config) as tf.Tensor3D, states[layer]!));
  }
  return states;
}

/** The last residual stream of `visionStates`: float32[n, N, C]. */
export function visionTower(p: Scope, pixels: tf.Tensor4D, config: VisionConfig): tf.Tensor3D {
  const states = visionStates(p, pixels, config);
  return states[states.length - 1]!;
}

export function visionParameters(config: S2Config): ParameterSpec[] {
  const { hiddenSize: C, intermediateSize: M, layers, patchSize } = config.vision;
  const { init } = config.language;
  const loraRank = config.lora.vision ? config.lora.rank : undefined;
  const list: ParameterSpec[] = [
    {
      name: `${visionPrefix}.embeddings.patch_embedding.weight`,
      shape: [C, 3, patchSize, patchSize],
      init: weightInit(init, 3 * patchSize ** 2, C),
    },
    { name: `${visionPrefix}.embeddings.patch_embedding.bias`, shape: [C], init: { kind: "zeros" } },
    {
      name: `${visionPrefix}.embeddings.position_embedding.weight`,
      shape: [patchSide(config.vision) ** 2, C],
      init: { kind: "normal", std: 0.02 },
    },
  ];
  for (let layer = 0; layer < layers; layer++) {
    const at = `${visionPrefix}.encoder.layers.${layer}`;
    list.push(...layerNormParameters(`${at}.layer_norm1`, C), ...layerNormParameters(`${at}.layer_norm2`, C));
    for (const name of ["q_proj", "k_proj", "v_proj", "out_proj"]) {
      const gain = name === "out_proj" ? 0.7 : 1;
      list.push(
        ...linearParameters({
          name: `${at}.self_attn.${name}`,
          in: C,
          out: C,
          weightInit: weightInit(init, C, C, gain),
          loraRank,
        }),
      );
    }
    list.push(
      ...linearParameters({ name: `${at}.mlp.fc1`, in: C, out: M, weightInit: weightInit(init, C, M), loraRank }),
      ...linearParameters({ name: `${at}.mlp.fc2`, in: M, out: C, weightInit: weightInit(init, M, C, 0.7), loraRank }),
    );
  }
  if (config.vision.postNorm === true) list.push(...layerNormParameters(`${visionPrefix}.post_layernorm`, C));
  return list;
}
