import type { Scalar, Tensor, Tensor2D } from "@tensorflow/tfjs-core";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { configureOrt, ortStats, resetOrtStats } from "../../register";
import { freeze } from "../../step";
import { tf } from "../../tf";
import { leaveOut, use, WHERE } from "../engines";

const engine = "ort-webgpu";
const stats = (): ReturnType<typeof ortStats> => ortStats(engine);

describe.skipIf(leaveOut)(`state ${WHERE}`, () => {
  beforeAll(() => use(engine), 120_000);
  beforeEach(() => {
    configureOrt({ debug: false, precision: "float32", strict: true }, engine);
    resetOrtStats(engine);
  });

  it("stays on the device until somebody reads it", () => {
    const v = tf.variable(tf.tensor1d([1, 2]));
    for (let i = 0; i < 3; i++) {
      tf.tidy(() => v.assign(v.mul(2)));
      tf.engine().backend.time(() => {});
    }
    expect(stats()).toMatchObject({ runs: 3, downloads: 0, uploads: 0 });
    expect(Array.from(v.dataSync())).toEqual([8, 16]);
    expect(stats().downloads).toBe(1);
    v.dispose();
  });

  it("moves to the device when a second program takes it", () => {
    const frozen = tf.tensor1d([1, 2, 3]);
    for (let i = 0; i < 4; i++) tf.tidy(() => frozen.mul(tf.scalar(i)).dataSync());
    // the factor is another tensor each time and never stays
    expect(stats()).toMatchObject({ runs: 4, uploads: 1, downloads: 4 });
    expect(Array.from(frozen.dataSync())).toEqual([1, 2, 3]);
    frozen.dispose();
  });

  it("outlives the graph that made it", () => {
    const kept = tf.tidy(() => tf.tensor1d([1, 2]).add(1));
    kept.add(0).dataSync();
    configureOrt({ debug: true }, engine);
    configureOrt({ debug: false }, engine);
    expect(stats().graphsCached).toBe(0);
    expect(Array.from(kept.dataSync())).toEqual([2, 3]);
    kept.dispose();
    expect(Array.from(tf.tidy(() => tf.tensor1d([5]).add(1).dataSync()))).toEqual([6]);
  });

  it("is freed with its tensors: memory stays flat over 200 steps", () => {
    const W = tf.variable(tf.ones([64, 64]));
    const optimizer = tf.train.adam(0.001);
    const x = tf.tensor2d(
      Float32Array.from({ length: 512 }, (_, i) => Math.sin(i)),
      [8, 64],
    );
    const step = (): number => {
      const loss = optimizer.minimize(
        () =>
          tf
            .matMul(x, W as Tensor as Tensor2D)
            .tanh()
            .square()
            .mean() as Scalar,
        true,
        [W],
      )!;
      const value = loss.dataSync()[0]!;
      loss.dispose();
      return value;
    };
    for (let i = 0; i < 50; i++) step();
    const { numTensors, numDataBuffers } = tf.memory();
    const { graphsCached } = stats();
    const resident = process.memoryUsage().rss;
    for (let i = 0; i < 200; i++) step();
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers });
    expect(stats().graphsCached).toBe(graphsCached);
    // 200 leaked steps of weights and moments would be 10 MB, of SwiftShader's buffers more
    expect(process.memoryUsage().rss - resident).toBeLessThan(30e6);
    tf.dispose([W, x]);
    optimizer.dispose();
  });

  it("a failure names op and line, and leaves the engine usable", () => {
    configureOrt({ debug: true }, engine);
    // 64 GiB, far over what a buffer may have
    const big = tf.tidy(() =>
      tf
        .broadcastTo(tf.tensor1d([1]).add(1), [2 ** 17, 2 ** 17])
        .mul(tf.ones([2 ** 17, 1]))
        .sum(),
    );
    expect(() => big.dataSync()).toThrow(
      /^ort-webgpu: tfjs op Multiply recorded at .* failed to run in ONNX Runtime \(not enough device memory: /,
    );
    big.dispose();
    configureOrt({ debug: false }, engine);
    expect(Array.from(tf.tidy(() => tf.tensor1d([5]).add(1).dataSync()))).toEqual([6]);
  });

  it("keeps weights as they are while half precision is off", () => {
    const w: Tensor = tf.tensor2d([[0.1, 0.2]]);
    freeze(w);
    expect(Array.from(w.dataSync())).toEqual(Array.from(Float32Array.of(0.1, 0.2)));
    w.dispose();
  });

  it("says which op made the first NaN in debug mode", () => {
    configureOrt({ debug: true }, engine);
    const said = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    // WGSL leaves log(-1) open, and SwiftShader gives 0
    tf.tidy(() =>
      tf
        .tensor1d([1, 0])
        .div(tf.tensor1d([2, 0]))
        .add(1)
        .sum()
        .dataSync(),
    );
    const lines = said.mock.calls.map(([text]) => String(text)).join("");
    said.mockRestore();
    expect(lines).toMatch(/^ort-webgpu: first NaN, op RealDiv \[2\] recorded at .*\/device-memory\.test\.ts:\d+\n$/);
  });
});
