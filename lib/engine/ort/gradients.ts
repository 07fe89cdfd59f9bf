import type * as core from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { type Grid, interpolation } from "./interpolation";

type Core = typeof core;
type Backward = (dy: Tensor, saved: readonly Tensor[], attrs: Record<string, unknown>) => Record<string, () => Tensor>;

/** `dy` summed over the axes along which an input of `shape` was broadcast. */
function unbroadcast(tf: Core, dy: Tensor, shape: number[]): Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, dy.shape);
  return tf.reshape(axes.length === 0 ? dy : tf.sum(dy, axes), shape);
}

/** The gradient of a reduction, brought back to the rank of x, and how many elements went into one. */
function unreduced(tf: Core, dy: Tensor, shape: number[], axis: unknown): { dy: Tensor; count: number } {
  const axes = tf.util.parseAxisParam(axis as number[], shape);
  const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  return { dy: tf.reshape(dy, kept), count: axes.reduce((n, a) => n * shape[a]!, 1) };
}

/** tfjs multiplies by an array of ones of x's size, which a lazy backend has to take in anew every step. */
function sum(tf: Core): Backward {
  return (dy, [x], { axis }) => ({ x: () => tf.broadcastTo(unreduced(tf, dy, x!.shape, axis).dy, x!.shape) });
}

function mean(tf: Core): Backward {
  return (dy, [x], { axis }) => ({
    x: () => {
      const back = unreduced(tf, dy, x!.shape, axis);
      return tf.broadcastTo(tf.div(back.dy, back.count), x!.shape);
    },
  });
}

/** tfjs slices one repetition after another and stops at rank 4; here each axis of dy is (repetition, position). */
function tile(tf: Core): Backward {
  return (dy, [x], attrs) => ({
    x: () => {
      const split: number[] = [];
      const repetitions: number[] = [];
      (attrs.reps as number[]).forEach((r, i) => {
        if (r !== 1) repetitions.push(split.push(r) - 1);
        split.push(x!.shape[i]!);
      });
      return repetitions.length === 0 ? tf.clone(dy) : tf.reshape(tf.sum(tf.reshape(dy, split), repetitions), x!.shape);
    },
  });
}

/** tfjs forgets that the operands may be broadcast. */
function choice(tf: Core, first: (a: Tensor, b: Tensor) => Tensor): Backward {
  return (dy, [a, b]) => ({
    a: () => unbroadcast(tf, tf.mul(dy, tf.cast(first(a!, b!), "float32")), a!.shape),
    b: () => unbroadcast(tf, tf.mul(dy, tf.cast(tf.logicalNot(first(a!, b!)), "float32")), b!.shape),
  });
}

function squaredDifference(tf: Core): Backward {
  return (dy, [a, b]) => {
    const half = (): Tensor => tf.mul(dy, tf.sub(a!, b!));
    return {
      a: () => unbroadcast(tf, tf.mul(half(), 2), a!.shape),
      b: () => unbroadcast(tf, tf.mul(half(), -2), b!.shape),
    };
  };
}

/** tfjs ignores halfPixelCenters and swaps height and width of images that are not square. */
function resizeBilinear(tf: Core): Backward {
  return (dy, [images], attrs) => ({
    images: () => {
      const [b, y, x, c] = images!.shape as [number, number, number, number];
      const [, y2, x2] = dy.shape as [number, number, number, number];
      const back = (from: number, to: number): Tensor =>
        tf.transpose(tf.tensor2d(interpolation(from, to, attrs as Partial<Grid> as Grid), [to, from]));
      const rows = tf.reshape(tf.transpose(dy, [1, 0, 2, 3]), [y2, b * x2 * c]);
      const high = tf.reshape(tf.matMul(back(y, y2), rows), [y, b, x2, c]);
      const columns = tf.reshape(tf.transpose(high, [2, 1, 0, 3]), [x2, b * y * c]);
      return tf.transpose(tf.reshape(tf.matMul(back(x, x2), columns), [x, b, y, c]), [1, 2, 0, 3]);
    },
  });
}

/**
 * From the result, so that nothing else needs what stood before it: tfjs keeps that, and asks it for a step function.
 */
function relu(tf: Core): Backward {
  return (dy, [y]) => ({ x: () => tf.where(tf.greater(y!, 0), dy, tf.zerosLike(dy)) });
}

/** A kernel of the project's own, see ops/plane-conv.ts; frozen filters ask for none of theirs. */
function planeConv(tf: Core): Backward {
  const run = (name: string, inputs: Record<string, Tensor>, attrs: Record<string, unknown>): Tensor =>
    tf.engine().runKernel(name, inputs, attrs as core.NamedAttrMap);
  return (dy, [x, filter], { stride }) => ({
    x: () => run("PlaneConvInputGrad", { dy, filter: filter! }, { stride, shape: x!.shape }),
    filter: () => run("PlaneConvFilterGrad", { x: x!, dy }, { stride, shape: filter!.shape }),
    bias: () => tf.sum(dy, [0, 2, 3]),
  });
}

/**
 * Replaces those of tfjs' gradients that are wrong or slow, on every engine, and adds those of the project's own
 * kernels.
 */
export function registerGradients(tf: Core): void {
  const register = (kernelName: string, inputsToSave: string[], gradFunc: Backward): void =>
    tf.registerGradient({ kernelName, inputsToSave, gradFunc: gradFunc as never });
  tf.registerGradient({ kernelName: "Relu", outputsToSave: [true], gradFunc: relu(tf) as never });
  register("Sum", ["x"], sum(tf));
  register("Mean", ["x"], mean(tf));
  register("Tile", ["x"], tile(tf));
  register("Maximum", ["a", "b"], choice(tf, tf.greaterEqual));
  register("Minimum", ["a", "b"], choice(tf, tf.lessEqual));
  register("SquaredDifference", ["a", "b"], squaredDifference(tf));
  register("ResizeBilinear", ["images"], resizeBilinear(tf));
  register("PlaneConv", ["x", "filter"], planeConv(tf));
}
