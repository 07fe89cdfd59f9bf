import { computeNow, tf } from "../engine/tf";
import type { ParameterSource } from "./scope";

type Tensor = tf.Tensor;

/**
 * Gradients of `run` at `inputs` and at tensors that it reads, for a gradient `dy` of its result; zero where nothing
 * leads. Can be called while tfjs goes back through another pass, which it does not foresee.
 */
export function gradientsWithin(
  run: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  read: readonly Tensor[],
  dy: Tensor,
): Tensor[] {
  const engine = tf.engine();
  // ending an inner pass forgets the outer one's tape
  const state = engine.state as { activeTape?: unknown };
  const outer = state.activeTape;
  try {
    return tf.tidy(() => {
      const all = [...inputs, ...read];
      const { grads } = engine.gradients(() => run(...inputs), all, dy, true);
      return all.map((x, i) => (grads[i] as Tensor | undefined) ?? tf.zerosLike(x));
    });
  } finally {
    state.activeTape = outer;
  }
}

/**
 * A part of the model as one operation that keeps its inputs only.
 *
 * @param also tensors, beside the inputs, that get a gradient
 * @param back gradients of the saved inputs, then of `also`, for a gradient of the result
 */
export function keepingInputs(
  part: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  also: readonly Tensor[],
  back: (saved: Tensor[], dy: Tensor) => Tensor[],
): Tensor {
  const op = tf.customGrad((...given) => {
    const save = given.pop() as tf.GradSaveFunc;
    const kept = (given as Tensor[]).slice(0, inputs.length);
    save(kept);
    const value = tf.tidy(() => part(...kept));
    computeNow();
    return { value, gradFunc: (dy: Tensor, saved: Tensor[]) => back(saved, dy) };
  });
  return op(...inputs, ...also);
}

/**
 * Activation checkpointing: each part of the model keeps its inputs only, and runs again when its gradient is asked
 * for. A step needs the memory of one part's intermediate results, and a forward pass more.
 */
export class RecomputedParameters implements ParameterSource {
  /** @param trained names of the parameters that need a gradient */
  constructor(
    private readonly parameters: ReadonlyMap<string, tf.Variable>,
    private readonly trained: readonly string[],
  ) {}

  has(name: string): boolean {
    return this.parameters.has(name);
  }

  get(name: string): Tensor | undefined {
    return this.parameters.get(name);
  }

  part<T>(run: (...inputs: Tensor[]) => T, prefix: string, inputs: readonly Tensor[]): T {
    if (inputs.length === 0) return run();
    const part = run as (...inputs: Tensor[]) => Tensor;
    const own = this.trained.filter((name) => name.startsWith(prefix)).map((name) => this.parameters.get(name)!);
    return keepingInputs(part, inputs, own, (saved, dy) => {
      const gradients = gradientsWithin(part, saved, own, dy);
      computeNow();
      return gradients;
    }) as T;
  }
}
