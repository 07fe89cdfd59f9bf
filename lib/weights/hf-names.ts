import { closest } from "../core/errors";
import type { ParameterSpec } from "../core/parameters";

/**
 * How checkpoints spell the same parameter: LLaVA and Hugging Face (the model's own names), PEFT adapters, SigLIP
 * alone, and Fast3R (whose decoder and heads live under `fast3r.` here, as in S2-MLLM).
 */
const spellings: readonly (readonly [RegExp, string])[] = [
  [/^base_model\.model\./, ""],
  [/\.base_layer\./, "."],
  [/\.modules_to_save\.default\./, "."],
  [/\.lora_([AB])\.default\./, ".lora_$1."],
  [/^net\./, ""],
  [/^(decoder|downstream_head|downstream_head_local)\./, "fast3r.$1."],
  [/^vision_model\./, "model.vision_tower.vision_tower.vision_model."],
  [/^mm_projector\./, "model.mm_projector."],
];

/** Tensors that these checkpoints carry and the model has no use for. */
const unusedNames: readonly RegExp[] = [
  // pooling head and last norm of SigLIP; LLaVA reads the stream before them
  /vision_model\.(post_layernorm|head)\./,
  /vision_model\.embeddings\.position_ids$/,
  // SigLIP's text side
  /^text_model\./,
  /^logit_(scale|bias)$/,
  // Fast3R's own image encoder
  /^(fast3r\.)?encoder\./,
  // never run: the coarsest fusion step has nothing finer to refine; aliases of layer1_rn…layer4_rn
  /\.refinenet4\.resConfUnit1\./,
  /\.scratch\.layer_rn\.\d+\./,
  /\.rotary_emb\.inv_freq$/,
];

/** The model's name of a checkpoint's tensor. */
export function canonicalName(name: string): string {
  return spellings.reduce((n, [pattern, by]) => n.replace(pattern, by), name);
}

export interface NameMatch {
  /** Checkpoint's name of each of the model's parameters that it has, with the right shape. */
  readonly found: ReadonlyMap<string, string>;
  /** Parameters that the checkpoint lacks. */
  readonly missing: readonly string[];
  /** Tensors that the model does not know, each with the nearest name that is missing. */
  readonly unexpected: readonly { readonly name: string; readonly near?: string }[];
  /** Tensors that the model knows it has no use for. */
  readonly unused: readonly string[];
  readonly misshapen: readonly {
    readonly name: string;
    readonly expected: readonly number[];
    readonly got: readonly number[];
  }[];
  /** Tensors that spell the name of another one that was found. */
  readonly doubled: readonly { readonly name: string; readonly first: string }[];
}

/** Compares a checkpoint's tensors with the model's parameters; reads no numbers. */
export function matchNames(
  specs: readonly ParameterSpec[],
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): NameMatch {
  const wanted = new Map(specs.map((spec) => [spec.name, spec]));
  const visionLayers = layerCount(specs, /vision_model\.encoder\.layers\.(\d+)\./);
  const found = new Map<string, string>();
  const unexpected: string[] = [];
  const unused: string[] = [];
  const misshapen: { name: string; expected: readonly number[]; got: readonly number[] }[] = [];
  const doubled: { name: string; first: string }[] = [];
  for (const [name, { shape }] of tensors) {
    const canonical = canonicalName(name);
    const spec = wanted.get(canonical);
    const layer = /vision_model\.encoder\.layers\.(\d+)\./.exec(canonical)?.[1];
    if (spec === undefined) {
      const beyond = layer !== undefined && visionLayers > 0 && Number(layer) >= visionLayers;
      (beyond || unusedNames.some((pattern) => pattern.test(canonical)) ? unused : unexpected).push(name);
    } else if (spec.shape.join() !== shape.join()) misshapen.push({ name, expected: spec.shape, got: shape });
    else if (found.has(canonical)) doubled.push({ name, first: found.get(canonical)! });
    else found.set(canonical, name);
  }
  const seen = new Set([...found.keys(), ...misshapen.map(({ name }) => canonicalName(name))]);
  const missing = specs.map((spec) => spec.name).filter((name) => !seen.has(name));
  return {
    found,
    missing,
    unused,
    misshapen,
    doubled,
    unexpected: unexpected.map((name) => {
      const near = missing.length > 50 ? undefined : closest(canonicalName(name), missing);
      return near === undefined ? { name } : { name, near };
    }),
  };
}

function layerCount(specs: readonly ParameterSpec[], pattern: RegExp): number {
  return Math.max(0, ...specs.map(({ name }) => Number(pattern.exec(name)?.[1] ?? -1) + 1));
}

/** What is wrong with a match, one line each; empty when the model can be filled. */
export function matchProblems(match: NameMatch): string[] {
  return [
    ...match.missing.map((name) => `missing: ${name}`),
    ...match.misshapen.map(
      ({ name, expected, got }) => `${name}: expected [${expected.join(", ")}], got [${got.join(", ")}]`,
    ),
    ...match.doubled.map(({ name, first }) => `${name}: means the same parameter as ${first}`),
    ...match.unexpected.map(({ name, near }) => `unexpected: ${name}${near === undefined ? "" : ` (near: ${near})`}`),
  ];
}
