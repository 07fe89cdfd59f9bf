import { computeNow, tf } from "../engine/tf";
import type { ParameterSource } from "../nn/scope";
import type { Weights } from "./weights";

/**
 * A model's parameters that are read from their files when a part of the model asks for them, widened to float32, and
 * freed when the part has run: a forward pass needs the memory of its largest part. No gradients.
 */
export class StreamedParameters implements ParameterSource {
  /** Bytes of parameters read so far, as float32, and how long that took. */
  bytesRead = 0;
  readingMs = 0;

  /** @param onPart told of the bytes read so far, after each part */
  constructor(
    private readonly weights: Weights,
    private readonly onPart: (bytesRead: number) => void = () => {},
  ) {}

  has(name: string): boolean {
    return this.weights.specs.has(name);
  }

  /** @throws UserError when the parameter's file cannot be read */
  get(name: string): tf.Tensor | undefined {
    const spec = this.weights.specs.get(name);
    if (spec === undefined) return undefined;
    const started = performance.now();
    const values = this.weights.values(name);
    this.bytesRead += values.byteLength;
    const tensor = tf.tensor(values, [...spec.shape]);
    this.readingMs += performance.now() - started;
    return tensor;
  }

  part<T>(run: (...inputs: tf.Tensor[]) => T, _prefix: string, inputs: readonly tf.Tensor[]): T {
    const result = tf.tidy(() => run(...inputs) as tf.TensorContainer) as T;
    computeNow();
    this.onPart(this.bytesRead);
    return result;
  }
}
