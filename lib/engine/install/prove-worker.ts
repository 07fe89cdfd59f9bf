import { serveParent } from "../../core/child";
import { Rng } from "../../core/rng";
import { chooseEngine, type EngineName } from "../choose";
import { tf } from "../tf";
import type { Losses } from "./prove";

const STEPS = 5;

/** A small training of what the model uses: lookup, convolution, pooling, layer norm, products, softmax, Adam. */
serveParent<EngineName, never, Losses>(async (engine) => {
  await chooseEngine({ engine });
  const rng = new Rng(7, "engine/prove");
  const random = (shape: number[], scale: number): tf.Tensor =>
    tf.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * rng.normal()),
      shape,
    );
  const words = tf.variable(random([20, 16], 0.5));
  const filter = tf.variable(random([3, 3, 3, 16], 0.2));
  const mix = tf.variable(random([16, 16], 0.3));
  const out = tf.variable(random([16, 20], 0.3));
  const ids = tf.tensor1d([3, 1, 4, 1, 5, 9, 2, 6], "int32");
  const images = random([8, 9, 9, 3], 1) as tf.Tensor4D;
  const labels = tf.oneHot(tf.tensor1d([2, 7, 1, 8, 2, 8, 1, 8], "int32"), 20);
  const adam = tf.train.adam(0.02);
  return Array.from({ length: STEPS }, () => {
    const loss = adam.minimize(() => {
      const seen = tf.relu(tf.conv2d(images, filter as tf.Tensor as tf.Tensor4D, 2, "same"));
      const pooled = tf.maxPool(seen as tf.Tensor4D, 2, 2, "valid").mean([1, 2]);
      const x = tf.matMul(tf.gather(words, ids).add(pooled), mix as tf.Tensor as tf.Tensor2D);
      const { mean, variance } = tf.moments(x, 1, true);
      const normal = x.sub(mean).div(variance.add(1e-5).sqrt());
      const scores = tf.matMul(normal as tf.Tensor2D, out as tf.Tensor as tf.Tensor2D);
      return tf.losses.softmaxCrossEntropy(labels, scores) as tf.Scalar;
    }, true)!;
    return loss.dataSync()[0]!;
  });
});
