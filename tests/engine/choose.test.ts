import { afterEach, describe, expect, it } from "vitest";
import { findAdapter } from "../../lib/engine/backend";
import {
  candidatesFor,
  chooseEngine,
  ENGINES,
  enginePrecision,
  overflowAdvice,
  unusedGpu,
} from "../../lib/engine/choose";
import { requireDriver } from "../../lib/engine/install/cuda";
import { findInstalled } from "../../lib/engine/install/installed";
import { nvidiaGpus } from "../../lib/engine/nvidia";
import { tf } from "../../lib/engine/tf";
import { leaveOut, use, WHERE } from "./engines";

/** Its libraries may have been laid out where there is no GPU. */
const NOT_INSTALLED = "its libraries are not installed; npm run -s s2mllm -- engine install cuda";
const NO_DRIVER = "no NVIDIA driver (libcuda.so.1 is not found)";

afterEach(() => {
  delete process.env.S2_ENGINE;
  delete process.env.S2_ENGINE_HALF;
  delete process.env.S2_ENGINE_PRECISION;
});

describe("chooseEngine", () => {
  it("takes the first engine that starts, and says in one line why not those before it", async () => {
    const { engine, why, rejected } = await chooseEngine();
    expect(why).toBe("first that starts");
    expect(tf.getBackend()).toBe(engine);
    expect(rejected.map((r) => r.engine)).toEqual(ENGINES.slice(0, ENGINES.indexOf(engine)));
    for (const r of rejected) expect(r.why).toMatch(/^.{10,200}$/);
    // a driver that computes on the processor is not taken by itself
    if (findAdapter().kind !== "hardware" && nvidiaGpus().length === 0) {
      expect(engine).toBe("ort-cpu");
      expect(rejected).toEqual([
        { engine: "ort-cuda", why: expect.toBeOneOf([NOT_INSTALLED, NO_DRIVER]) },
        { engine: "ort-webgpu", why: findAdapter().why },
      ]);
    }
  }, 120_000);

  it("refuses a precision that an engine has not, rather than computing otherwise", async () => {
    await expect(chooseEngine({ engine: "ort-cpu", precision: "fp16" })).rejects.toThrow(
      "ort-cpu: no fp16 on this device (it computes in float32); set S2_ENGINE_PRECISION=float32 or none, " +
        "or name another engine in S2_ENGINE",
    );
    process.env.S2_ENGINE_PRECISION = "bf16";
    await expect(chooseEngine({ engine: "ort-cpu" })).rejects.toThrow("ort-cpu: no bf16 on this device");
    await expect(chooseEngine({ engine: "wasm" })).rejects.toThrow("wasm: no bf16 on this device");
    // the request's own precision counts more
    await chooseEngine({ engine: "wasm", precision: "float32" });
    expect(enginePrecision()).toBe("float32");
    process.env.S2_ENGINE_PRECISION = "half";
    await expect(chooseEngine({ engine: "wasm" })).rejects.toThrow(
      'precision in S2_ENGINE_PRECISION "half" is unknown; known: float32, tf32, bf16, fp16',
    );
  });

  it("says what replaced the variable for half precision", async () => {
    process.env.S2_ENGINE_HALF = "1";
    await expect(chooseEngine({ engine: "ort-cpu" })).rejects.toThrow(
      "S2_ENGINE_HALF is no more; unset it and set S2_ENGINE_PRECISION=fp16 for half precision",
    );
  });

  it("says why an engine that was asked for does not start", async () => {
    const why = findInstalled("cuda") === undefined ? NOT_INSTALLED : NO_DRIVER;
    await expect(chooseEngine({ engine: "ort-cuda" })).rejects.toThrow(
      `engine ort-cuda: ${why}; choose another with S2_ENGINE ` +
        "(ort-cuda, ort-webgpu, ort-cpu, tensorflow, wasm, cpu) or none to let the lab choose",
    );
  });

  it("takes TensorFlow by S2_ENGINE, or names the command that installs it", async () => {
    process.env.S2_ENGINE = "tensorflow";
    if (findInstalled("tensorflow") === undefined)
      await expect(chooseEngine()).rejects.toThrow(
        "engine tensorflow: @tensorflow/tfjs-node-gpu is not installed; npm run -s s2mllm -- engine install tensorflow",
      );
    else expect(await chooseEngine()).toMatchObject({ engine: "tensorflow", why: "S2_ENGINE names it" });
  });

  it("says which precision avoids an overflow", () => {
    expect(overflowAdvice("ort-cuda", "float32")).toBe("");
    expect(overflowAdvice("ort-cuda", "fp16")).toBe(
      "products are computed in fp16: set S2_ENGINE_PRECISION=bf16 (or float32), ",
    );
    expect(overflowAdvice("ort-webgpu", "fp16")).toBe(
      "products are computed in fp16: set S2_ENGINE_PRECISION=float32, ",
    );
  });

  it("takes the one asked for", async () => {
    expect(await chooseEngine({ engine: "cpu" })).toEqual({ engine: "cpu", why: "asked for", rejected: [] });
    expect(tf.getBackend()).toBe("cpu");
  });

  it("lets S2_ENGINE overrule the request", async () => {
    process.env.S2_ENGINE = "wasm";
    expect(await chooseEngine({ engine: "cpu" })).toMatchObject({ engine: "wasm", why: "S2_ENGINE names it" });
  });

  it("refuses an unknown name with a suggestion", async () => {
    process.env.S2_ENGINE = "ort";
    await expect(chooseEngine()).rejects.toThrow('engine in S2_ENGINE "ort" is unknown');
    await expect(chooseEngine({ engine: "wasn" as never })).rejects.toThrow();
  });

  it("refuses a thread count that is none", async () => {
    await expect(chooseEngine({ threads: 0 })).rejects.toThrow(
      "engine threads must be a whole number of at least 1, got 0",
    );
  });

  it("gives gradients of a gather on wasm, which has no kernel for them", async () => {
    await chooseEngine({ engine: "wasm" });
    const grad = tf.tidy(() =>
      Array.from(
        tf
          .grad((x) =>
            tf
              .gather(x, tf.tensor1d([1, 1, 2], "int32"))
              .square()
              .sum(),
          )(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]))
          .dataSync(),
      ),
    );
    // d/dx of Σ x[i]², counted once for each time a row is taken
    expect(grad).toEqual([0, 0, 12, 16, 10, 12]);
  });

  it("gives filter gradients of a convolution on wasm", async () => {
    await chooseEngine({ engine: "wasm" });
    const grad = tf.tidy(() =>
      Array.from(
        tf
          .grad((w) => tf.conv2d(tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]), w as never, 1, "valid").sum())(
            tf.ones([2, 2, 1, 1]),
          )
          .dataSync(),
      ),
    );
    expect(grad).toEqual([1, 2, 3, 4]);
  });
});

describe.skipIf(leaveOut)(`half precision ${WHERE}`, { timeout: 120_000 }, () => {
  it("half precision is refused where the device has none", async () => {
    let refusal = "";
    try {
      await chooseEngine({ engine: "ort-webgpu", precision: "fp16" });
    } catch (error) {
      refusal = (error as Error).message;
    }
    await use("ort-webgpu");
    // SwiftShader has no 16-bit floats; a device that has them computes the product with them
    if (refusal === "")
      expect(Array.from(tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync()))).toEqual([
        11,
      ]);
    else
      expect(refusal).toMatch(
        /^ort-webgpu: no fp16 on this device \(.*f16.*\); set S2_ENGINE_PRECISION=float32 or none, or/s,
      );
  });
});

describe("a GPU of NVIDIA's", () => {
  const h100 = { name: "NVIDIA H100", memoryMiB: 81_559, driver: "580.95.05" };

  it("puts CUDA first, and TensorFlow before the processor where it was installed with CUDA", () => {
    expect(candidatesFor([h100], "tensorflow-cuda")).toEqual([
      "ort-cuda",
      "ort-webgpu",
      "tensorflow",
      "ort-cpu",
      "wasm",
    ]);
    const others = ["ort-cuda", "ort-webgpu", "ort-cpu", "tensorflow", "wasm"];
    expect(candidatesFor([h100], "tensorflow-cpu")).toEqual(others);
    expect(candidatesFor([], "tensorflow-cuda")).toEqual(others);
  });

  it("with a driver that is too old for CUDA 13 is refused by name", () => {
    expect(() => requireDriver({ ...h100, driver: "535.183.01" })).toThrow(
      "driver 535.183.01 of NVIDIA H100 is too old, CUDA 13 needs 580 or newer; update the driver",
    );
    expect(() => requireDriver(h100)).not.toThrow();
  });

  it("that is not used is said with the command that would change it", () => {
    const command = "npm run -s s2mllm -- engine install cuda";
    expect(unusedGpu("ort-cpu", [h100], true)).toBe(
      `NVIDIA H100 is not used, ort-cpu computes on the processor: ${command}`,
    );
    expect(unusedGpu("ort-cpu", [], true)).toMatch(/^an NVIDIA card is not used, it has no driver: install it .*cuda$/);
    expect(unusedGpu("ort-cpu", [], false)).toBeUndefined();
    expect(unusedGpu("ort-cuda", [h100], true)).toBeUndefined();
  });
});
