import { tf } from "../engine/tf";

/**
 * Share of a plain matrix product's speed that a whole step reaches; the rest is attention, norms and moving numbers.
 */
const reached = 0.5;

/**
 * Floating-point operations a second that the model can be expected to do on the current engine, from a short product.
 */
export function modelRate(): number {
  const n = 768;
  const values = Float32Array.from({ length: n * n }, (_, i) => ((i * 7) % 13) / 13);
  const [a, b] = [tf.tensor2d(values, [n, n]), tf.tensor2d(values, [n, n])];
  const product = (): void => tf.tidy(() => void tf.matMul(a, b, false, true).dataSync());
  // the first one compiles
  product();
  let done = 0;
  const started = performance.now();
  do {
    product();
    done++;
  } while (performance.now() - started < 300);
  tf.dispose([a, b]);
  return (reached * done * 2 * n ** 3) / ((performance.now() - started) / 1000);
}
