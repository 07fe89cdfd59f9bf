import type { Tensor } from "@tensorflow/tfjs-core";
import type * as core from "@tensorflow/tfjs-core";

type Core = typeof core;

/** dy of a reduction brought back to the rank of x. */
function unreduced(tf: Core, dy: Tensor, shape: number[], axis: number | number[]): { dy: Tensor; count: number } {
  const axes = tf.util.parseAxisParam(axis, shape);
  return {
    dy: tf.reshape(dy, shape.map((d, i) => (axes.includes(i) ? 1 : d))),
    count: axes.reduce((n, a) => n * shape[a]!, 1),
  };
}

/**
 * Replaces three of tfjs' gradients. Its Sum and Mean multiply by an array of ones of the input's size, which
 * a lazy backend would have to take in anew every step; its Tile slices one repetition after another and
 * stops at rank 4.
 */
export function registerGradients(tf: Core): void {
  tf.registerGradient({
    kernelName: "Sum",
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => {
      const [x] = saved as [Tensor];
      return { x: () => tf.broadcastTo(unreduced(tf, dy as Tensor, x.shape, attrs["axis"] as number[]).dy, x.shape) };
    },
  });
  tf.registerGradient({
    kernelName: "Mean",
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => {
      const [x] = saved as [Tensor];
      return {
        x: () => {
          const back = unreduced(tf, dy as Tensor, x.shape, attrs["axis"] as number[]);
          return tf.broadcastTo(tf.div(back.dy, back.count), x.shape);
        },
      };
    },
  });
  tf.registerGradient({
    kernelName: "Tile",
    inputsToSave: ["x"],
    gradFunc: (dy, saved, attrs) => {
      const [x] = saved as [Tensor];
      const reps = attrs["reps"] as number[];
      return {
        x: () => {
          // Each axis of dy is (repetition, position); repetitions add up.
          const split = reps.flatMap((r, i) => (r === 1 ? [x.shape[i]!] : [r, x.shape[i]!]));
          let at = 0;
          const axes: number[] = [];
          for (const r of reps) {
            if (r !== 1) axes.push(at++);
            at++;
          }
          return axes.length === 0 ? tf.clone(dy as Tensor) : tf.reshape(tf.sum(tf.reshape(dy as Tensor, split), axes), x.shape);
        },
      };
    },
  });
}
