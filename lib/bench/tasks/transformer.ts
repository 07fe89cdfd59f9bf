import { TrainingConfig } from "../../config/schema";
import { type ParameterSpec, planTraining } from "../../core/parameters";
import { Rng } from "../../core/rng";
import { NamedStep, nestTensors } from "../../engine/named-step";
import { attention, fusedGelu, RepeatedStep, tf } from "../../engine/tf";
import { gatherRows } from "../../nn/gather";
import { linear, linearParameters } from "../../nn/linear";
import { layerNorm, layerNormParameters } from "../../nn/norms";
import { Scope } from "../../nn/scope";
import { languageLoss } from "../../train/losses/language";
import { AdamW, type UpdateNumbers } from "../../train/optimizer";
import { integers, reals, type Size, type Task } from "../task";

const SIZES = {
  full: { width: 256, layers: 6, heads: 4, inner: 1024, tokens: 448, sequences: 4, vocabulary: 512 },
  tiny: { width: 16, layers: 2, heads: 2, inner: 32, tokens: 12, sequences: 2, vocabulary: 24 },
} as const satisfies Record<Size, object>;
type Sizes = (typeof SIZES)[Size];

const EPS = 1e-5;

const training = TrainingConfig.parse({
  steps: 1,
  scenes: 1,
  sentences: 1,
  learningRate: 1e-3,
  weightDecay: 0.01,
  clipNorm: 1,
});

function parameters({ width: D, layers, inner, tokens, vocabulary }: Sizes): ParameterSpec[] {
  const weights = { kind: "normal", std: 0.05 } as const;
  const list: ParameterSpec[] = [
    { name: "tokens.weight", shape: [vocabulary, D], init: weights },
    { name: "positions.weight", shape: [tokens, D], init: weights },
  ];
  for (let layer = 0; layer < layers; layer++) {
    const at = `layers.${layer}`;
    list.push(
      ...layerNormParameters(`${at}.norm1`, D),
      ...linearParameters({ name: `${at}.qkv`, in: D, out: 3 * D, weightInit: weights }),
      ...linearParameters({ name: `${at}.proj`, in: D, out: D, weightInit: weights }),
      ...layerNormParameters(`${at}.norm2`, D),
      ...linearParameters({ name: `${at}.fc1`, in: D, out: inner, weightInit: weights }),
      ...linearParameters({ name: `${at}.fc2`, in: inner, out: D, weightInit: weights }),
    );
  }
  return [
    ...list,
    ...layerNormParameters("norm", D),
    ...linearParameters({ name: "head", in: D, out: vocabulary, bias: false, weightInit: weights }),
  ];
}

function layer(p: Scope, x_BTD: tf.Tensor, heads: number): tf.Tensor {
  const [B, T, D] = x_BTD.shape as [number, number, number];
  const K = D / heads;
  const [q, k, v] = tf
    .split(linear(p.at("qkv"), layerNorm(p.at("norm1"), x_BTD, EPS)), 3, 2)
    .map((t) => t.reshape([B, T, heads, K]).transpose([0, 2, 1, 3])) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const mixed = attention(q, k, v, { scale: K ** -0.5, causal: true });
  const y = x_BTD.add(linear(p.at("proj"), mixed.transpose([0, 2, 1, 3]).reshape([B, T, D])));
  return y.add(linear(p.at("fc2"), fusedGelu(linear(p.at("fc1"), layerNorm(p.at("norm2"), y, EPS)), "exact")));
}

/** float32[B*T, W] scores of the next token. */
function logits(p: Scope, ids: tf.Tensor, { width: D, layers, heads }: Sizes): tf.Tensor2D {
  const [B, T] = ids.shape as [number, number];
  const words = gatherRows(p.get("tokens.weight") as tf.Tensor2D, ids.reshape([-1]) as tf.Tensor1D).reshape([B, T, D]);
  let x: tf.Tensor = words.add(p.get("positions.weight"));
  for (let i = 0; i < layers; i++) x = layer(p.at(`layers.${i}`), x, heads);
  return linear(p.at("head"), layerNorm(p.at("norm"), x, EPS).reshape([B * T, D])) as tf.Tensor2D;
}

/** Sequences, and the token that comes behind each of theirs. */
type Tokens = { readonly ids: tf.Tensor; readonly labels: tf.Tensor1D; readonly labelWeights: tf.Tensor1D };

/** A causal language model in the usual form: pre-norm, GELU, learned positions; one step of AdamW with clipping. */
export function transformer(size: Size): Task {
  const sizes = SIZES[size];
  const { sequences: B, tokens: T, vocabulary: W } = sizes;
  const specs = parameters(sizes);
  return {
    about:
      `causal transformer d${sizes.width} L${sizes.layers} H${sizes.heads} ffn${sizes.inner}, ` +
      `${B} sequences of ${T} tokens, vocabulary ${W}; the step ends with AdamW`,
    comparedSteps: 3,
    parameters: specs,
    settings: { ...sizes, eps: EPS, training },
    inputs: () => {
      const rng = new Rng(1, "bench/transformer");
      const ids = integers([B, T], () => rng.int(W));
      return {
        ids,
        labels: integers([B * T], (i) => ids.data[(i + 1) % (B * T)]!),
        labelWeights: reals([B * T], () => 1 / (B * T)),
      };
    },
    build: (weights, inputs) => {
      const p = new Scope(weights);
      const plan = planTraining(
        specs.map((s) => s.name),
        [{ pattern: /./, training: "train", label: "all" }],
      );
      const optimizer = new AdamW(weights, plan, training);
      const variables = [...weights];
      const tokens = nestTensors<Tokens>(inputs);
      const update = new NamedStep(({ ids, labels, labelWeights, numbers }: Tokens & { numbers: UpdateNumbers }) => {
        const { value, grads } = tf.variableGrads(
          () => languageLoss(logits(p, ids, sizes), labels, labelWeights),
          variables.map(([, variable]) => variable),
        );
        const named = Object.fromEntries(variables.map(([name, variable]) => [name, grads[variable.name]!]));
        return { loss: value, gradNorm: optimizer.apply(named, numbers) };
      });
      const forward = new RepeatedStep(({ ids }) => logits(p, ids!, sizes));
      const step = (): number[] => {
        const numbers = optimizer.begin(training.learningRate);
        const { loss, gradNorm } = update.run({ ...tokens, numbers });
        tf.dispose(Object.values(numbers));
        return [loss, gradNorm];
      };
      return {
        firstSteps: (compared) => Array.from({ length: compared }, step).flat(),
        step,
        inference: () => forward.run({ ids: inputs.ids! }),
      };
    },
  };
}
