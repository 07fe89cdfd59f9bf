import { join } from "node:path";
import { z } from "zod";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { tf } from "../engine/tf";
import { readSafetensors } from "../io/safetensors";
import { languageModel, languageParameters } from "../model/language";
import { gatherRows } from "../nn/gather";
import { linear, mergedWeight } from "../nn/linear";
import { Scope } from "../nn/scope";
import { languageLoss } from "../train/losses/language";
import {
  type Case,
  caseConfig,
  differentiate,
  HfLanguage,
  languageConfig,
  loadParameters,
  numbers,
  type Produced,
  valueOf,
} from "./case";

/** Labels of -100 are ignored; the token at t is predicted by the state at t - 1. */
export function supervision(
  labels: readonly number[],
  L: number,
): { rows: tf.Tensor1D; ids: tf.Tensor1D; weights: tf.Tensor1D } {
  const at = labels.flatMap((label, i) => (i % L > 0 && label !== -100 ? [i] : []));
  return {
    rows: tf.tensor1d(
      at.map((i) => i - 1),
      "int32",
    ),
    ids: tf.tensor1d(
      at.map((i) => labels[i]!),
      "int32",
    ),
    weights: tf.fill([at.length], 1 / at.length),
  };
}

function rowsOf(flat: readonly number[], L: number): number[][] {
  return Array.from({ length: flat.length / L }, (_, b) => flat.slice(b * L, (b + 1) * L));
}

/** What one run of a golden reads: the part of a tensor's name in front of its first dot says which. */
interface Run {
  readonly source: "inputs_embeds" | "input_ids";
  readonly masked: boolean;
  /**
   * Positions counted from the mask, as Hugging Face's generation gives them; its bare forward pass counts every token.
   */
  readonly counted: boolean;
}

function runNamed(name: string): Run {
  return {
    source: name.startsWith("ids") ? "input_ids" : "inputs_embeds",
    masked: !name.includes("nomask"),
    counted: name.includes("pos"),
  };
}

/** One run: its outputs and gradients by their names without the run's prefix. */
function runLanguage(
  c: Case,
  config: S2Config,
  parameters: ReadonlyMap<string, tf.Variable>,
  run: Run,
  scale: number,
  wanted: readonly string[],
): Map<string, Produced> {
  const [B, L] = c.shape(run.source) as [number, number];
  const mask = run.masked && c.has("attention_mask") ? rowsOf(c.numbers("attention_mask"), L) : undefined;
  const kept = mask?.flat();
  const p = new Scope(parameters, { scale });
  const input = run.source === "inputs_embeds" ? tf.variable(c.tensor("inputs_embeds")) : undefined;
  const ids = run.source === "input_ids" ? (c.tensor("input_ids").reshape([-1]) as tf.Tensor1D) : undefined;
  const { layers, hiddenSize: D } = config.language;
  const wrt = new Map<string, tf.Variable>(
    wanted
      .filter((name) => name.startsWith("grad."))
      .map((name) => {
        const of = name.slice("grad.".length);
        const variable = of === "inputs_embeds" ? input : parameters.get(of);
        if (variable === undefined)
          throw new UserError(`golden ${c.name}: gradient of "${of}" is wanted, but there is no such parameter`);
        return [of, variable];
      }),
  );
  const pass = (): { loss: tf.Scalar; outputs: Record<string, tf.Tensor> } => {
    const x = input ?? gatherRows(parameters.get("model.embed_tokens.weight") as tf.Tensor2D, ids!).reshape([B, L, D]);
    const { hidden, states } = languageModel(
      p.at("model"),
      x as tf.Tensor3D,
      config.language,
      {
        prefix: L,
        sentences: 0,
        tokens: 0,
        ...(mask === undefined ? {} : { mask }),
        ...(run.counted ? {} : { positions: Array.from({ length: B }, () => Array.from({ length: L }, (_, i) => i)) }),
      },
      { states: Array.from({ length: layers + 1 }, (_, k) => k) },
    );
    const logits = linear(p.at("lm_head"), hidden) as tf.Tensor2D;
    const { rows, ids: labels, weights } = supervision(c.numbers("labels"), L);
    const loss = languageLoss(gatherRows(logits, rows), labels, weights);
    const outputs: Record<string, tf.Tensor> = {
      loss,
      last_hidden: hidden.reshape([B, L, D]),
      logits: logits.reshape([B, L, -1]),
    };
    for (const [k, state] of states) outputs[`hidden.${k}`] = state.reshape([B, L, D]);
    return { loss, outputs };
  };
  const produced = new Map<string, Produced>();
  const result =
    wrt.size > 0
      ? differentiate(pass, wrt)
      : {
          outputs: new Map(Object.entries(pass().outputs).map(([name, tensor]) => [name, valueOf(tensor)])),
          grads: new Map<string, Produced>(),
        };
  for (const [name, value] of result.outputs)
    produced.set(name, name === "loss" || kept === undefined ? value : { ...value, rows: kept });
  for (const [name, value] of result.grads) produced.set(`grad.${name}`, value);
  input?.dispose();
  return produced;
}

/** qwen2_causal_lm: every run that the golden's outputs name. */
export function runCausalLm(c: Case): Map<string, Produced> {
  const config = caseConfig({ language: languageConfig(c.settings(HfLanguage)), lora: { language: false } });
  const stored = c.parameterFiles();
  const embedding = stored.get("model.embed_tokens.weight");
  // tied embeddings: one tensor under two names
  if (c.golden.config.tie_word_embeddings === true && embedding !== undefined) stored.set("lm_head.weight", embedding);
  const parameters = loadParameters(languageParameters(config), stored);
  if (c.golden.config.tie_word_embeddings === true)
    parameters.set("lm_head.weight", parameters.get("model.embed_tokens.weight")!);
  const wanted = c.named(/^(embeds|ids)\w*\./);
  const produced = new Map<string, Produced>();
  for (const run of new Set(wanted.map((name) => name.split(".")[0]!))) {
    const own = wanted.filter((name) => name.startsWith(`${run}.`)).map((name) => name.slice(run.length + 1));
    for (const [name, value] of runLanguage(c, config, parameters, runNamed(run), 1, own))
      produced.set(`${run}.${name}`, value);
  }
  return produced;
}

/** qwen2_lora: the base weights come from another file of the folder. */
export function runLora(c: Case): Map<string, Produced> {
  const hf = c.settings(HfLanguage);
  const lora = c.setting(
    "lora",
    z.looseObject({ r: z.int(), alpha: z.number(), targets: z.array(z.string()).optional() }),
  );
  const base = /(\S+\.safetensors)/.exec(c.setting("base_weights", z.string()))?.[1];
  if (base === undefined) throw new UserError(`golden ${c.name}: config.base_weights names no .safetensors file`);
  const config = caseConfig({ language: languageConfig(hf), lora: { rank: lora.r, alpha: lora.alpha } });
  const targets = lora.targets;
  const adapted = (name: string): boolean =>
    targets === undefined || targets.some((target) => name.includes(`.${target}.`));
  const specs = languageParameters(config).filter(({ name }) => !name.includes(".lora_") || adapted(name));
  const stored = c.parameterFiles();
  for (const [name, tensor] of readSafetensors(join(c.folder, base))) {
    const own = name.replace(/^param\./, "");
    if (name.startsWith("param.") && !stored.has(own)) stored.set(own, tensor);
  }
  const parameters = loadParameters(specs, stored);
  const scale = lora.alpha / lora.r;
  const produced = runLanguage(
    c,
    config,
    parameters,
    { source: c.has("inputs_embeds") ? "inputs_embeds" : "input_ids", masked: true, counted: false },
    scale,
    c.named(/^grad\./),
  );
  const p = new Scope(parameters, { scale });
  for (const name of c.named(/^merged\./)) {
    const linearName = name.slice("merged.".length).replace(/\.weight$/, "");
    const merged = mergedWeight(p.at(linearName));
    produced.set(name, numbers(merged.dataSync(), merged.shape));
  }
  return produced;
}
