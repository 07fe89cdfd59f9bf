import type { S2Config } from "../config/schema";
import { tf } from "../engine/tf";
import type { ParameterSource } from "../nn/scope";
import type { ModelInputs } from "./inputs";
import type { LayerCache } from "./language";
import { forward, forwardNext } from "./s2mllm";

/** What the passes of one generation share. */
export interface GenerationSizes {
  readonly scenes: number;
  readonly sentences: number;
  readonly objects: number;
  /** Tokens in front of the sentences. */
  readonly prefix: number;
  /** Tokens of the longest question, and tokens that may be written behind it. */
  readonly question: number;
  readonly written: number;
}

/** One token of each sentence, and where it stands. */
export interface NextTokens {
  /** int32[B, Q] */
  readonly ids: tf.Tensor2D;
  /** float32[question + written] 1 at the token's place. */
  readonly place: tf.Tensor1D;
  /** float32[B, Q, question + written] 1 for what the sentence has by now, this token among it. */
  readonly kept: tf.Tensor3D;
}

/** Scores [B, Q, O+1 or O] at each sentence's last token, and the most likely token behind it, int32[B*Q]. */
export interface Written extends Readonly<Record<string, tf.Tensor>> {
  readonly scores: tf.Tensor3D;
  readonly next: tf.Tensor1D;
}

/**
 * Greedy generation with a key/value cache: `begin` reads scene and questions, `next` one token of each sentence. Both
 * may be bodies of repeated steps: keys and values are variables, which stay with the engine between passes.
 */
export class Generation {
  readonly #objects: tf.Variable;
  readonly #layers: readonly { readonly [K in keyof LayerCache]: tf.Variable }[];

  constructor(
    private readonly parameters: ParameterSource,
    private readonly config: S2Config,
    private readonly sizes: GenerationSizes,
  ) {
    const { scenes: B, sentences: Q, objects: O, prefix: P, question, written } = sizes;
    const { hiddenSize: D, heads, kvHeads: H, layers } = config.language;
    const zeros = (shape: number[]): tf.Variable => tf.tidy(() => tf.variable(tf.zeros(shape), false));
    this.#objects = zeros([B, O, D]);
    this.#layers = Array.from({ length: layers }, () => ({
      prefixKeys: zeros([B, H, P, D / heads]),
      prefixValues: zeros([B, H, P, D / heads]),
      ownKeys: zeros([B, H, Q, question + written, D / heads]),
      ownValues: zeros([B, H, Q, question + written, D / heads]),
    }));
  }

  /** Reads scene and questions; `inputs.groundRows` are the questions' last tokens. */
  begin(inputs: ModelInputs): Written {
    const room = this.sizes.question + this.sizes.written;
    const outputs = forward(this.parameters, inputs, this.config, {
      onCache: (layer, { prefixKeys, prefixValues, ownKeys, ownValues }) => {
        const kept = this.#layers[layer]!;
        kept.prefixKeys.assign(prefixKeys);
        kept.prefixValues.assign(prefixValues);
        kept.ownKeys.assign(withRoom(ownKeys, room));
        kept.ownValues.assign(withRoom(ownValues, room));
      },
    });
    this.#objects.assign(outputs.objects);
    return { scores: outputs.scores, next: mostLikely(outputs.logitsAt(inputs.groundRows)) };
  }

  /** Goes on by one token of each sentence. */
  next({ ids, place, kept }: NextTokens): Written {
    const past = { layers: this.#layers, objects: this.#objects as tf.Tensor as tf.Tensor3D, place, kept };
    const outputs = forwardNext(this.parameters, ids, past, this.config, {
      onCache: (layer, { ownKeys, ownValues }) => {
        this.#layers[layer]!.ownKeys.assign(ownKeys);
        this.#layers[layer]!.ownValues.assign(ownValues);
      },
    });
    return { scores: outputs.scores, next: mostLikely(outputs.logitsAt(outputs.rows)) };
  }

  dispose(): void {
    tf.dispose([this.#objects, ...this.#layers.map((layer) => Object.values(layer))]);
  }
}

/** float32[B, H, Q, T, K] with zeros behind the T tokens. */
function withRoom(x: tf.Tensor, room: number): tf.Tensor {
  const [B, H, Q, T, K] = x.shape as [number, number, number, number, number];
  return T === room ? x : tf.concat([x, tf.zeros([B, H, Q, room - T, K])], 3);
}

const mostLikely = (logits: tf.Tensor2D): tf.Tensor1D => logits.argMax(-1) as tf.Tensor1D;
