import { computeNow, tf } from "../engine/tf";
import { gradientsWithin, keepingInputs } from "../nn/recomputed";
import type { ParameterSource } from "../nn/scope";
import type { Weights } from "./weights";

type Tensor = tf.Tensor;

/** Parameters that every further token of an answer reads: the language model's and the grounding heads'. */
const readPerToken = /^(?:model\.(?:embed_tokens|layers|norm)|lm_head|ground_head)/;

/**
 * A model's parameters that are read from their files when a part of the model asks for them, widened to float32, and
 * freed when the part has run: a forward pass needs the memory of its largest part. No gradients.
 *
 * Of those that further tokens read too, as many as fit into `keepBytes` stay in memory.
 */
export class StreamedParameters implements ParameterSource {
  /** Bytes of parameters read so far, as float32, and how long that took. */
  bytesRead = 0;
  readingMs = 0;
  /** Bytes of parameters that stay in memory. */
  keptBytes = 0;
  readonly #kept = new Map<string, Tensor>();

  /** @param onPart told of the bytes read so far, after each part */
  constructor(
    private readonly weights: Weights,
    private readonly onPart: (bytesRead: number) => void = () => {},
    private readonly keepBytes = 0,
  ) {}

  has(name: string): boolean {
    return this.weights.specs.has(name);
  }

  /** @throws UserError when the parameter's file cannot be read */
  get(name: string): Tensor | undefined {
    const spec = this.weights.specs.get(name);
    if (spec === undefined) return undefined;
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const started = performance.now();
    const values = this.weights.values(name);
    this.bytesRead += values.byteLength;
    const tensor = tf.tensor(values, [...spec.shape]);
    this.readingMs += performance.now() - started;
    if (readPerToken.test(name) && this.keptBytes + values.byteLength <= this.keepBytes) {
      this.#kept.set(name, tf.keep(tensor));
      this.keptBytes += values.byteLength;
    }
    return tensor;
  }

  /** Frees what stayed in memory. */
  dispose(): void {
    tf.dispose([...this.#kept.values()]);
    this.#kept.clear();
    this.keptBytes = 0;
  }

  part<T>(run: (...inputs: Tensor[]) => T, _prefix: string, inputs: readonly Tensor[]): T {
    const result = tf.tidy(() => run(...inputs) as tf.TensorContainer) as T;
    computeNow();
    this.onPart(this.bytesRead);
    return result;
  }
}

/** Parameters that belong to one part of the model: a layer, the structure module, the projector, lm_head. */
const partPrefix = new RegExp(
  `^(?:${[
    String.raw`model\.vision_tower\..*\.encoder\.layers\.\d+`,
    String.raw`model\.layers\.\d+`,
    String.raw`fast3r\.decoder\.dec_blocks\.\d+`,
    String.raw`fast3r\.downstream_head(?:_local)?\.dpt`,
    String.raw`st_attention_block|model\.mm_projector|lm_head`,
  ].join("|")})\\.`,
);

/**
 * A training pass whose parameters stay in their files: each part reads its own when it runs, and once more when its
 * gradient is asked for. Gradients of trained parameters are kept as numbers. What belongs to no part (word embeddings,
 * grounding heads) is held as variables.
 */
export class StreamedTraining implements ParameterSource {
  /** Trained parameters that belong to no part, by name: a pass takes its gradients at them. */
  readonly held: ReadonlyMap<string, tf.Variable>;
  /**
   * Always 0. A part with trained parameters depends on it, so that the pass goes back to the part even where nothing
   * before it trains.
   */
  readonly hook = tf.tidy(() => tf.variable(tf.scalar(0)));
  /** float32 gradients of the parts' trained parameters, by name. */
  readonly gradients = new Map<string, Float32Array>();
  /** Bytes of parameters read so far, as float32. */
  bytesRead = 0;
  /** Trained parameters of the part that is on its way back. */
  #present: ReadonlyMap<string, Tensor> = new Map();
  readonly #byPart = new Map<string, string[]>();

  /**
   * @param trained names of the parameters that train
   * @param onPart told of the bytes read so far, after each part
   */
  constructor(
    private readonly weights: Weights,
    trained: readonly string[],
    private readonly onPart: (bytesRead: number) => void = () => {},
  ) {
    const held = new Map<string, tf.Variable>();
    for (const name of trained) {
      const prefix = partPrefix.exec(name)?.[0];
      if (prefix !== undefined) {
        const list = this.#byPart.get(prefix);
        if (list === undefined) this.#byPart.set(prefix, [name]);
        else list.push(name);
        continue;
      }
      const start = this.#read(name);
      held.set(name, tf.variable(start));
      start.dispose();
    }
    this.held = held;
  }

  #read(name: string): Tensor {
    const values = this.weights.values(name);
    this.bytesRead += values.byteLength;
    return tf.tensor(values, [...this.weights.specs.get(name)!.shape]);
  }

  has(name: string): boolean {
    return this.weights.specs.has(name);
  }

  /** @throws UserError when the parameter's file cannot be read */
  get(name: string): Tensor | undefined {
    if (!this.has(name)) return undefined;
    return this.held.get(name) ?? this.#present.get(name) ?? this.#read(name);
  }

  part<T>(run: (...inputs: Tensor[]) => T, prefix: string, inputs: readonly Tensor[]): T {
    if (inputs.length === 0) return run();
    const part = run as (...inputs: Tensor[]) => Tensor;
    const hooks = this.#byPart.has(prefix) ? [this.hook] : [];
    const value = keepingInputs(part, inputs, hooks, (saved, dy) => [
      ...this.#back(part, prefix, saved, dy),
      ...hooks.map((hook) => tf.zerosLike(hook)),
    ]);
    this.onPart(this.bytesRead);
    return value as T;
  }

  #back(part: (...inputs: Tensor[]) => Tensor, prefix: string, inputs: Tensor[], dy: Tensor): Tensor[] {
    const names = this.#byPart.get(prefix) ?? [];
    const own = names.map((name) => this.#read(name));
    this.#present = new Map(names.map((name, i) => [name, own[i]!]));
    try {
      const all = gradientsWithin(part, inputs, own, dy);
      computeNow();
      names.forEach((name, i) => {
        const gradient = all[inputs.length + i]!;
        const numbers = gradient.dataSync() as Float32Array;
        gradient.dispose();
        // the last layer runs as two parts: its attention and the rest
        const before = this.gradients.get(name);
        if (before === undefined) this.gradients.set(name, numbers);
        else for (let k = 0; k < before.length; k++) before[k]! += numbers[k]!;
      });
      this.onPart(this.bytesRead);
      return all.slice(0, inputs.length);
    } finally {
      this.#present = new Map();
      tf.dispose(own);
    }
  }

  dispose(): void {
    tf.dispose([this.hook, ...this.held.values()]);
  }
}
