import { LanguageModelConfig } from "../../config/schema";
import type { ParameterSpec } from "../../core/parameters";
import { Rng } from "../../core/rng";
import { RepeatedStep, runOnce, sumSquares, tf } from "../../engine/tf";
import { languageModel } from "../../model/language";
import { encoderLayer } from "../../model/vision";
import { linearParameters } from "../../nn/linear";
import { layerNormParameters } from "../../nn/norms";
import { Scope } from "../../nn/scope";
import { normals, type Size, type Task } from "../task";

const weights = { kind: "normal", std: 0.02 } as const;
const linearOf = (name: string, width: number, out: number, bias = true): ParameterSpec[] =>
  linearParameters({ name, in: width, out, bias, weightInit: weights });

/**
 * Forward and backward of one layer, as inside a deeper model: gradients of its weights and of its input are kept,
 * nothing is updated. The loss is the mean square of the product with random numbers: nearly free, and no sum that
 * cancels, whose last digits would be another in each engine.
 */
function layerTask(
  about: string,
  parameters: readonly ParameterSpec[],
  settings: { readonly tokens: number; readonly width: number } & Record<string, unknown>,
  run: (p: Scope, x: tf.Tensor3D) => tf.Tensor,
): Task {
  const shape = [1, settings.tokens, settings.width];
  return {
    about,
    parameters,
    settings,
    comparedSteps: 1,
    inputs: () => {
      const rng = new Rng(3, "bench/layer");
      return { x: normals(rng, shape), slope: normals(rng, shape) };
    },
    build: (given, inputs) => {
      const x = tf.variable(inputs.x!);
      const variables = [...given.values(), x];
      const p = new Scope(given);
      // as PyTorch does, gradients of a step are let go of when the next begins
      let gradients: tf.Tensor[] = [];
      const step = (): number => {
        tf.dispose(gradients);
        const { value, grads } = tf.variableGrads(
          () =>
            run(p, x as tf.Tensor as tf.Tensor3D)
              .mul(inputs.slope!)
              .square()
              .mean()
              .asScalar(),
          variables,
        );
        gradients = variables.map((variable) => grads[variable.name]!);
        // what is read makes an engine compute all that is still held
        const loss = value.dataSync()[0]!;
        value.dispose();
        return loss;
      };
      const forward = new RepeatedStep((tensors) => run(p, tensors.x as tf.Tensor3D));
      return {
        firstSteps: () => [
          step(),
          ...[gradients, gradients.slice(-1)].map(
            (list) => runOnce(() => tf.addN(list.map(sumSquares)).sqrt(), {})[0]!,
          ),
        ],
        step,
        inference: () => forward.run({ x: inputs.x! }),
      };
    },
  };
}

/** One decoder layer of Qwen2-7B and the final norm behind it. */
export function qwen2Layer(size: Size): Task {
  const config = LanguageModelConfig.parse(
    size === "full"
      ? { vocabSize: 1, hiddenSize: 3584, intermediateSize: 18944, layers: 1, heads: 28, kvHeads: 4 }
      : { vocabSize: 1, hiddenSize: 24, intermediateSize: 40, layers: 1, heads: 6, kvHeads: 2 },
  );
  const { hiddenSize: D, intermediateSize: M, heads, kvHeads } = config;
  const tokens = size === "full" ? 1024 : 8;
  const kv = (D / heads) * kvHeads;
  const at = "layers.0";
  const parameters: ParameterSpec[] = [
    ...["norm", `${at}.input_layernorm`, `${at}.post_attention_layernorm`].map(
      (name): ParameterSpec => ({ name: `${name}.weight`, shape: [D], init: { kind: "ones" } }),
    ),
    ...linearOf(`${at}.self_attn.q_proj`, D, D),
    ...linearOf(`${at}.self_attn.k_proj`, D, kv),
    ...linearOf(`${at}.self_attn.v_proj`, D, kv),
    ...linearOf(`${at}.self_attn.o_proj`, D, D, false),
    ...linearOf(`${at}.mlp.gate_proj`, D, M, false),
    ...linearOf(`${at}.mlp.up_proj`, D, M, false),
    ...linearOf(`${at}.mlp.down_proj`, M, D, false),
  ];
  const about =
    `one layer of Qwen2-7B (width ${D}, ${heads} heads, ${kvHeads} key heads, ffn ${M}) and its final norm, ` +
    `${tokens} tokens`;
  return layerTask(
    about,
    parameters,
    { ...config, tokens, width: D },
    (p, x) => languageModel(p, x, config, { prefix: tokens, sentences: 0, tokens: 0 }).hidden,
  );
}

/** One encoder layer of SigLIP so400m. */
export function siglipLayer(size: Size): Task {
  const { C, M, heads, tokens } =
    size === "full" ? { C: 1152, M: 4304, heads: 16, tokens: 1024 } : { C: 24, M: 40, heads: 4, tokens: 8 };
  const config = { heads, layerNormEps: 1e-6 };
  const parameters = [
    ...layerNormParameters("layer_norm1", C),
    ...layerNormParameters("layer_norm2", C),
    ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((name) => linearOf(`self_attn.${name}`, C, C)),
    ...linearOf("mlp.fc1", C, M),
    ...linearOf("mlp.fc2", M, C),
  ];
  const about = `one layer of SigLIP so400m (width ${C}, ${heads} heads, ffn ${M}), ${tokens} tokens`;
  return layerTask(about, parameters, { ...config, tokens, width: C }, (p, x) => encoderLayer(p, x, config));
}
