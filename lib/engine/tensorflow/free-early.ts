import type { Tensor } from "@tensorflow/tfjs-core";
import { tf } from "tfjs-backend-ort/ops";

// tfjs keeps all that a backward pass reads and makes until the pass ends; on an engine that computes at once that is
// the peak of its memory. Here each node of the tape lets go of its own as soon as the next one begins.

interface TapeNode {
  readonly outputs: readonly Tensor[];
  readonly saved: readonly Tensor[];
  gradient?: (dys: readonly (Tensor | null)[]) => Record<string, () => Tensor>;
}

/** A backward pass under way. */
interface Pass {
  /** Tensors whose gradients are its results. */
  readonly wanted: ReadonlySet<number>;
  /** For how many results a gradient stands: a node may hand its own on, or one to several inputs. */
  readonly uses: WeakMap<Tensor, number>;
  /** Lets go of what the node before needed; undefined before the first one. */
  free: (() => void) | undefined;
}

/** What is changed of tfjs' engine; it is not in its types. */
interface TapeEngine {
  state: { activeTape: TapeNode[] | null; gradientDepth: number };
  addTapeNode(...given: unknown[]): void;
  gradients(f: () => Tensor, xs: readonly Tensor[], dy?: Tensor | null, allowNone?: boolean): unknown;
}

/**
 * Lets backward passes free saved tensors and gradients of intermediate results as they go.
 *
 * @param runs whether the engine that is current now is meant; others keep tfjs' own way
 */
export function freeEarly(runs: () => boolean): void {
  const engine = tf.engine() as unknown as TapeEngine;
  const passes: Pass[] = [];
  const addTapeNode = engine.addTapeNode.bind(engine);
  const gradients = engine.gradients.bind(engine);

  engine.gradients = (f, xs, dy, allowNone) => {
    passes.push({ wanted: new Set(xs.map(({ id }) => id)), uses: new WeakMap(), free: undefined });
    try {
      return gradients(f, xs, dy, allowNone);
    } finally {
      passes.pop();
    }
  };

  engine.addTapeNode = (...given) => {
    addTapeNode(...given);
    const node = engine.state.activeTape!.at(-1)!;
    const { gradient, outputs, saved } = node;
    if (gradient === undefined) return;
    node.gradient = (dys) => {
      const pass = passes.at(-1);
      const back = gradient(dys);
      // a pass inside another's forward part: the outer one still needs everything
      if (pass === undefined || engine.state.gradientDepth > 0 || !runs()) return back;
      const first = pass.free === undefined;
      pass.free?.();
      pass.free = () => {
        tf.dispose([...saved]);
        // the gradient of the pass's own result may be the caller's
        if (first || outputs.some(({ id }) => pass.wanted.has(id))) return;
        for (const dy of dys.filter((given) => given !== null)) {
          const others = (pass.uses.get(dy) ?? 1) - 1;
          pass.uses.set(dy, others);
          if (others === 0 && !dy.kept) dy.dispose();
        }
      };
      return Object.fromEntries(
        Object.entries(back).map(([name, make]) => [
          name,
          () => {
            const dx = make();
            pass.uses.set(dx, (pass.uses.get(dx) ?? 0) + 1);
            return dx;
          },
        ]),
      );
    };
  };
}
