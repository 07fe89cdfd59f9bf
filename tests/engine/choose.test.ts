import { afterEach, describe, expect, it } from "vitest";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";

afterEach(() => {
  delete process.env["S2_ENGINE"];
});

describe("chooseEngine", () => {
  it("takes the first engine that starts", async () => {
    expect(await chooseEngine()).toEqual({ engine: "ort-cpu", why: "first that starts", rejected: [] });
    expect(tf.getBackend()).toBe("ort-cpu");
  });

  it("takes the one asked for", async () => {
    expect(await chooseEngine({ engine: "cpu" })).toEqual({ engine: "cpu", why: "asked for", rejected: [] });
    expect(tf.getBackend()).toBe("cpu");
  });

  it("lets S2_ENGINE overrule the request", async () => {
    process.env["S2_ENGINE"] = "wasm";
    expect(await chooseEngine({ engine: "cpu" })).toMatchObject({ engine: "wasm", why: "S2_ENGINE names it" });
  });

  it("refuses an unknown name with a suggestion", async () => {
    process.env["S2_ENGINE"] = "ort";
    await expect(chooseEngine()).rejects.toThrow('engine in S2_ENGINE "ort" is unknown');
    await expect(chooseEngine({ engine: "wasn" as never })).rejects.toThrow();
  });

  it("refuses a thread count that is none", async () => {
    await expect(chooseEngine({ threads: 0 })).rejects.toThrow("engine threads must be a whole number of at least 1, got 0");
  });

  it("gives gradients of a gather on wasm, which has no kernel for them", async () => {
    await chooseEngine({ engine: "wasm" });
    const grad = tf.tidy(() => Array.from(tf.grad((x) => tf.gather(x, tf.tensor1d([1, 1, 2], "int32")).square().sum())(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2])).dataSync()));
    // d/dx of Σ x[i]², counted once for each time a row is taken
    expect(grad).toEqual([0, 0, 12, 16, 10, 12]);
  });

  it("gives filter gradients of a convolution on wasm", async () => {
    await chooseEngine({ engine: "wasm" });
    const grad = tf.tidy(() => Array.from(tf.grad((w) => tf.conv2d(tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]), w as never, 1, "valid").sum())(tf.ones([2, 2, 1, 1])).dataSync()));
    expect(grad).toEqual([1, 2, 3, 4]);
  });
});
