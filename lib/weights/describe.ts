import type { S2Config } from "../config/schema";
import { type ParameterSpec, planTraining, sizeOf, type TrainRule } from "../core/parameters";
import { groundingParameters } from "../model/grounding";
import { languageParameters } from "../model/language";
import { psiParameters } from "../model/positions";
import { projectorParameters } from "../model/projector";
import { reconstructionParameters } from "../model/reconstruction";
import { structureEnabled, structureParameters } from "../model/structure";
import { trainsVision, visionParameters } from "../model/vision";

/** Every parameter of the model by its checkpoint name; allocates nothing. */
export function describeModel(config: S2Config): ParameterSpec[] {
  const { hiddenSize: D, init } = config.language;
  return [
    ...visionParameters(config),
    ...structureParameters(config),
    ...projectorParameters(config),
    ...(config.positions.rays ? psiParameters(config) : []),
    { name: "model.image_newline", shape: [D], init: { kind: "normal", std: init === "xavier" ? 1 : D ** -0.5 } },
    ...languageParameters(config),
    ...groundingParameters(config),
    ...reconstructionParameters(config),
  ];
}

/** Matches the numbers first..last-1. */
function anyOf(first: number, last: number): string {
  return `(?:${Array.from({ length: last - first }, (_, i) => first + i).join("|")})`;
}

/**
 * What trains (paper: LoRA on vision tower, language model and P; the last K layers, word embeddings, projector, SE
 * module, ψ, P and heads in full; everything else frozen). What only a switched-off loss would reach is frozen too.
 * First match wins.
 */
export function trainRules(config: S2Config): TrainRule[] {
  const { lora, language, grounding, reconstruction, lossWeights } = config;
  const rules: TrainRule[] = [];
  const rule = (pattern: RegExp, training: TrainRule["training"], label: string, rate?: number): void => {
    rules.push({ pattern, training, label, ...(rate === undefined ? {} : { rate }) });
  };
  const full = Math.min(lora.fullLayers, language.layers);
  const base = language.layers - full;
  const tower = trainsVision(config) ? "train" : "frozen";
  if (lora.vision) {
    rule(/^model\.vision_tower\..*\.lora_[AB]\.weight$/, tower, "vision tower, LoRA", config.training.visionRate);
  }
  if (config.vision.postNorm === true)
    rule(/^model\.vision_tower\..*\.post_layernorm\./, "frozen", "vision tower, last norm (nothing reads it)");
  if (lora.fullVision === true) rule(/^model\.vision_tower\./, tower, "vision tower, full", config.training.visionRate);
  else rule(/^model\.vision_tower\./, "frozen", "vision tower");
  if (lora.language) rule(/^model\.layers\..*\.lora_[AB]\.weight$/, "train", "language layers, LoRA");
  if (full > 0) {
    rule(
      new RegExp(`^model\\.layers\\.${anyOf(base, language.layers)}\\.`),
      "train",
      `last ${full} language layers, full`,
    );
  }
  if (base > 0) rule(/^model\.layers\./, "frozen", "language layers");
  rule(/^model\.embed_tokens\./, "train", "word embeddings");
  rule(/^model\.norm\./, lora.trainFinalNorm ? "train" : "frozen", "final norm");
  rule(/^lm_head\./, lora.trainLmHead && lossWeights.language > 0 ? "train" : "frozen", "lm_head");
  rule(/^model\.image_newline$/, lora.trainNewline ? "train" : "frozen", "newline token");
  rule(/^model\.mm_projector\./, "train", "projector");
  if (structureEnabled(config.structure)) rule(/^st_attention_block\./, "train", "structure-enhanced module");
  if (config.positions.rays) rule(/^mlp_pe\./, "train", "ray encoding ψ");
  rule(
    /^ground_head/,
    "train",
    grounding.head === "mlp"
      ? "grounding head"
      : `grounding heads, zero target${grounding.sharedSkip ? ", shared skip" : ""}`,
  );
  if (reconstruction.enabled) {
    const P = lossWeights.recon > 0 ? "train" : "frozen";
    if (lora.language) rule(/^encoder_to_decoder_proj\.lora_[AB]\.weight$/, P, "projection P, LoRA");
    rule(/^encoder_to_decoder_proj\./, P, "projection P");
    rule(/^fast3r\./, "frozen", "reconstruction decoder");
  }
  return rules;
}

export interface ParameterTable {
  readonly preset: string;
  readonly total: number;
  readonly trainable: number;
  readonly items: readonly {
    readonly name: string;
    readonly parameters: number;
    readonly trainable: boolean;
    readonly rule: string;
  }[];
}

/** Parameters of a config, one row for each training rule. */
export function parameterTable(config: S2Config): ParameterTable {
  const specs = describeModel(config);
  const rules = trainRules(config);
  const plan = planTraining(
    specs.map(({ name }) => name),
    rules,
  );
  const counts = new Map(rules.map(({ label }) => [label, 0]));
  for (const { name, shape } of specs) {
    const { label } = plan.get(name)!;
    counts.set(label, counts.get(label)! + sizeOf(shape));
  }
  const items = rules.map(({ label, training, pattern }) => ({
    name: label,
    parameters: counts.get(label)!,
    trainable: training === "train",
    rule: pattern.source,
  }));
  const sum = (list: readonly { parameters: number }[]): number =>
    list.reduce((n, { parameters }) => n + parameters, 0);
  return {
    preset: config.preset,
    total: sum(items),
    trainable: sum(items.filter(({ trainable }) => trainable)),
    items,
  };
}
