import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, test } from "vitest";
import { fusedGelu as gelu, swiGlu, tf } from "../../../lib/engine/tf";
import { checkGradient, random } from "../../nn/gradients";
import { expectTensorClose } from "../../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

describe("activations", () => {
  const x = tf.tensor1d([-3, -1, -0.1, 0, 0.5, 2]);

  test("GELU: x Φ(x), values of the normal distribution's tables", () => {
    expectTensorClose(gelu(tf.tensor1d([0, 1, -1, 2]), "exact"), [0, 0.8413447, -0.1586553, 1.9544997], { atol: 1e-5 });
    // the tanh form is an approximation within 1e-3 of it
    expectTensorClose(gelu(x, "tanh"), gelu(x, "exact"), { rtol: 0, atol: 1e-3 });
  });

  test.each(["exact", "tanh"] as const)("GELU, %s: gradient", (form) => checkGradient((y) => gelu(y, form), x));

  test("SwiGLU: silu(1) · 2, and both gradients", () => {
    expectTensorClose(swiGlu(tf.tensor1d([1]), tf.tensor1d([2])), [2 / (1 + Math.exp(-1))]);
    const other = random([6], 4);
    checkGradient((g) => swiGlu(g, other), x);
    checkGradient((u) => swiGlu(x, u), other);
  });
});
