import type { KernelFunc, Tensor, Tensor2D } from "@tensorflow/tfjs-core";
import { causalMask, tf } from "tfjs-backend-ort/ops";

// The backend's fused operations (tfjs-backend-ort/ops) as kernels on TensorFlow's: what happens inside a kernel is not
// taped, so that a backward pass keeps a layer norm's or a gelu's inputs in place of five results each, and computes
// its gradient by its own formula.

type Inputs = Readonly<Record<string, Tensor>>;
type Kernel<A> = (inputs: Inputs, attrs: A) => Tensor[];

function register<A>(name: string, kernel: Kernel<A>): void {
  const kernelFunc: KernelFunc = ({ inputs, attrs }) => tf.tidy(() => kernel(inputs as Inputs, attrs as A));
  tf.registerKernel({ kernelName: name, backendName: "tensorflow", kernelFunc });
}

const asRows = (x: Tensor): Tensor2D => x.reshape([-1, x.shape.at(-1)!]);

// TensorFlow sums along an axis more slowly than it multiplies by a vector of ones

/** Sum over all axes but the last. */
function overRows(x: Tensor): Tensor {
  const rows = asRows(x);
  return tf.matMul(tf.ones([1, rows.shape[0]]), rows).reshape([rows.shape[1]]);
}

/** Mean over the last axis, which stays. */
function meanOf(x: Tensor): Tensor {
  const width = x.shape.at(-1)!;
  return tf.matMul(asRows(x), tf.fill([width, 1], 1 / width)).reshape([...x.shape.slice(0, -1), 1]);
}

const scaled = (x: Tensor, gamma: Tensor | undefined): Tensor => (gamma === undefined ? x : x.mul(gamma));

function registerNorms(): void {
  register<{ eps: number }>("LayerNorm", ({ x, gamma, beta }, { eps }) => {
    const mean = meanOf(x!);
    const centred = x!.sub(mean);
    const inverse = meanOf(centred.square()).add(eps).rsqrt();
    const y = scaled(centred.mul(inverse), gamma);
    return [beta === undefined ? y : y.add(beta), mean, inverse];
  });
  register("LayerNormGrad", ({ dy, x, mean, inverse, gamma }) => {
    const hat = x!.sub(mean!).mul(inverse!);
    const g = scaled(dy!, gamma);
    const dx = g
      .sub(meanOf(g))
      .sub(hat.mul(meanOf(g.mul(hat))))
      .mul(inverse!);
    return gamma === undefined ? [dx] : [dx, overRows(dy!.mul(hat)), overRows(dy!)];
  });
  register<{ eps: number }>("RmsNorm", ({ x, gamma }, { eps }) => {
    const inverse = meanOf(x!.square()).add(eps).rsqrt();
    return [scaled(x!.mul(inverse), gamma), inverse];
  });
  register("RmsNormGrad", ({ dy, x, inverse, gamma }) => {
    const hat = x!.mul(inverse!);
    const g = scaled(dy!, gamma);
    const dx = g.sub(hat.mul(meanOf(g.mul(hat)))).mul(inverse!);
    return gamma === undefined ? [dx] : [dx, overRows(dy!.mul(hat))];
  });
}

/** c (x + 0.044715 x³) inside gelu's approximation by tanh. */
const [TANH_C, CUBE] = [Math.sqrt(2 / Math.PI), 0.044715];

function registerActivations(): void {
  const tanhOf = (x: Tensor): Tensor =>
    x
      .mul(
        x
          .square()
          .mul(CUBE * TANH_C)
          .add(TANH_C),
      )
      .tanh();
  const share = (x: Tensor): Tensor => x.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
  register<{ form: "exact" | "tanh" }>("Gelu", ({ x }, { form }) => [
    form === "exact" ? x!.mul(share(x!)) : x!.mul(tanhOf(x!).add(1)).mul(0.5),
  ]);
  register<{ form: "exact" | "tanh" }>("GeluGrad", ({ dy, x }, { form }) => {
    if (form === "exact") {
      const density = x!
        .square()
        .mul(-0.5)
        .exp()
        .mul(1 / Math.sqrt(2 * Math.PI));
      return [dy!.mul(share(x!).add(x!.mul(density)))];
    }
    const t = tanhOf(x!);
    const inner = x!
      .square()
      .mul(3 * CUBE * TANH_C)
      .add(TANH_C);
    const slope = x!.mul(tf.sub(1, t.square())).mul(inner);
    return [dy!.mul(t.add(1).add(slope).mul(0.5))];
  });
  register("SwiGlu", ({ gate, up }) => {
    const silu = gate!.mul(gate!.sigmoid());
    return [silu.mul(up!), silu];
  });
  register("SwiGluGrad", ({ dy, gate, up, silu }) => {
    const s = gate!.sigmoid();
    // (g σ)' = σ + g σ (1 - σ)
    const slope = s.add(silu!.mul(tf.sub(1, s)));
    return [dy!.mul(up!).mul(slope), dy!.mul(silu!)];
  });
}

function registerAttention(): void {
  register<{ scale: number; causal: boolean }>("Attention", ({ q, k, v, bias }, { scale, causal }) => {
    const added = causal ? causalMask(q!.shape.at(-2)!, k!.shape.at(-2)!) : bias;
    const scores = tf.matMul(q!.mul(scale), k!, false, true);
    const weights = tf.softmax(added === undefined ? scores : scores.add(added));
    return [tf.matMul(weights, v!), weights];
  });
  register<{ scale: number }>("AttentionGrad", ({ dy, q, k, v, out, weights0: weights }, { scale }) => {
    const apart = tf.matMul(dy!, v!, false, true).sub(dy!.mul(out!).sum(-1, true));
    const scores = apart.mul(weights!);
    const keys = tf.matMul(scores, q!.mul(scale), true, false);
    return [tf.matMul(scores, k!.mul(scale)), keys, tf.matMul(weights!, dy!, true, false)];
  });
}

/** Registers fused operations for the backend "tensorflow". */
export function registerFused(): void {
  registerNorms();
  registerActivations();
  registerAttention();
}
