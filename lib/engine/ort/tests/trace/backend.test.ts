import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Scalar, Tensor, Tensor2D } from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { configureOrt, ortStats, resetOrtStats } from "../../register";
import { tf } from "../../tf";
import { use } from "../engines";

beforeEach(async () => {
  await use("ort-cpu");
  configureOrt({ debug: false, maxPending: 20_000, sessionBytes: 2 ** 30 });
  resetOrtStats();
});

describe("recording", () => {
  it("runs nothing until somebody reads, then everything at once", () => {
    tf.tidy(() => {
      const y = tf.tensor1d([1, 2, 3]).add(1).mul(2);
      expect(ortStats()).toMatchObject({ opsRecorded: 2, runs: 0 });
      expect(Array.from(y.dataSync())).toEqual([4, 6, 8]);
      expect(ortStats()).toMatchObject({ runs: 1, opsRun: 2 });
      expect(Array.from(y.dataSync())).toEqual([4, 6, 8]);
      expect(ortStats().runs).toBe(1);
    });
  });

  it("reads asynchronously as well", async () => {
    const y = tf.tensor1d([1, 2]).square();
    expect(Array.from(await y.data())).toEqual([1, 4]);
    y.dispose();
  });

  it("tells operations apart that differ in an infinity, a sign of zero, or their results' shape only", () => {
    tf.tidy(() => {
      const x = tf.tensor1d([1, 2]);
      const padded = [-Infinity, Infinity, -0, 0].map((value) => Array.from(tf.pad(x, [[0, 1]], value).dataSync()));
      expect(padded).toEqual([
        [1, 2, -Infinity],
        [1, 2, Infinity],
        [1, 2, -0],
        [1, 2, 0],
      ]);
      const table = tf.reshape(tf.range(0, 15), [1, 5, 3]);
      const rows = tf.tensor2d([[3, 0, 1, 4]], [1, 4], "int32");
      for (const batchDims of [0, 1]) {
        const got = tf.gather(table, rows, 1, batchDims);
        expect(got.shape).toEqual(batchDims === 0 ? [1, 1, 4, 3] : [1, 4, 3]);
        expect(Array.from(got.dataSync())).toEqual([9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14]);
      }
    });
  });

  it("is seen by tf.profile: kernels, shapes, new tensors and bytes", async () => {
    const x = tf.ones([4, 8]);
    const { kernels, kernelNames, newTensors, newBytes, peakBytes, result } = await tf.profile(() => x.square().sum(1));
    expect(kernelNames.sort()).toEqual(["Square", "Sum"]);
    expect(
      kernels.map(({ name, inputShapes, outputShapes, totalBytesSnapshot, bytesAdded }) => ({
        name,
        inputShapes,
        outputShapes,
        bytesAdded,
        held: totalBytesSnapshot > 0,
      })),
    ).toEqual([
      { name: "Square", inputShapes: [[4, 8]], outputShapes: [[4, 8]], bytesAdded: 128, held: true },
      { name: "Sum", inputShapes: [[4, 8]], outputShapes: [[4]], bytesAdded: 16, held: true },
    ]);
    expect({ newTensors, newBytes }).toEqual({ newTensors: 2, newBytes: 144 });
    expect(peakBytes).toBeGreaterThanOrEqual(128 + 128 + 16);
    expect(Array.from((result as Tensor).dataSync())).toEqual([8, 8, 8, 8]);
    tf.dispose([x, result as Tensor]);
  });

  it("fills with whole numbers that float32 does not hold", () => {
    tf.tidy(() => {
      expect(Array.from(tf.fill([2], 16777217, "int32").add(tf.scalar(0, "int32")).dataSync())).toEqual([
        16777217, 16777217,
      ]);
    });
  });

  it("adds up millions of numbers to float32's precision", () => {
    const n = 1152 * 4304;
    const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i) ** 2);
    const want = x.reduce((sum, v) => sum + v, 0); // in double precision
    tf.tidy(() => {
      const t = tf.tensor2d(x, [1152, 4304]);
      const got = [t.sum().dataSync()[0]!, t.mean().dataSync()[0]! * n, t.sum([0, 1], true).dataSync()[0]!];
      for (const sum of got) expect(Math.abs(sum / want - 1)).toBeLessThan(1e-6);
      expect(t.sum([0, 1], true).shape).toEqual([1, 1]);
    });
  });

  it("does not compute what was disposed of", () => {
    const x = tf.tensor1d([1, 2, 3]);
    const kept = tf.tidy(() => {
      x.exp().sin(); // dead
      return x.add(1);
    });
    kept.dataSync();
    expect(ortStats()).toMatchObject({ opsRecorded: 3, opsRun: 1 });
    tf.dispose([x, kept]);
  });

  it("compiles once for one structure, whatever the numbers", () => {
    const run = (values: number[], factor: number): number[] =>
      tf.tidy(() =>
        Array.from(
          tf
            .tensor1d(values)
            .mul(tf.scalar(factor))
            .add(tf.fill([3], factor))
            .dataSync(),
        ),
      );
    expect(run([1, 2, 3], 2)).toEqual([4, 6, 8]);
    expect(run([4, 5, 6], 3)).toEqual([15, 18, 21]);
    expect(ortStats()).toMatchObject({ graphsCompiled: 1, runs: 2 });
    tf.tidy(() =>
      tf
        .tensor1d([1, 2, 3, 4])
        .mul(tf.scalar(2))
        .add(tf.fill([4], 2))
        .dataSync(),
    );
    expect(ortStats().graphsCompiled).toBe(2);
  });

  it("tells apart programs that differ in which results are kept", () => {
    const make = (): [Tensor, Tensor] => {
      const a = tf.tensor1d([1, 2]).add(1);
      return [a, a.mul(3)];
    };
    const both = make();
    expect([...both[0].dataSync(), ...both[1].dataSync()]).toEqual([2, 3, 6, 9]);
    const one = tf.tidy(() => make()[1]);
    expect(Array.from(one.dataSync())).toEqual([6, 9]);
    tf.dispose([...both, one]);
  });

  it("runs by itself when much is pending", () => {
    configureOrt({ maxPending: 10 });
    let x: Tensor = tf.scalar(0);
    for (let i = 0; i < 25; i++) x = x.add(1);
    expect(ortStats().runs).toBe(2);
    expect(x.dataSync()[0]).toBe(25);
  });

  it("drops the least recently used graphs over the limit", () => {
    // a sum over x² needs 4 kB for x² between its two operations
    const step = (n: number): void => {
      const y = tf.tidy(() => tf.ones([n]).square().sum());
      y.dataSync();
      y.dispose();
    };
    configureOrt({ sessionBytes: 9_000 });
    step(1000);
    step(1001);
    step(1000);
    expect(ortStats().graphsCompiled).toBe(2);
    step(1002); // three of 4 kB do not fit: 1001 goes
    step(1000);
    expect(ortStats().graphsCompiled).toBe(3);
    step(1001);
    expect(ortStats().graphsCompiled).toBe(4);
  });
});

describe("data", () => {
  it("copies what is written", () => {
    const mine = new Float32Array([1, 2, 3]);
    const x = tf.tensor1d(mine);
    mine[0] = 99;
    expect(Array.from(x.add(0).dataSync())).toEqual([1, 2, 3]);
  });

  it("gives an array that later steps do not overwrite", () => {
    const x = tf.tensor1d([1, 2, 3]).add(1);
    const seen = x.dataSync();
    x.dispose();
    for (let i = 0; i < 3; i++) tf.tidy(() => tf.tensor1d([7, 8, 9]).mul(i).dataSync());
    expect(Array.from(seen)).toEqual([2, 3, 4]);
  });

  it("shares data between reshaped tensors and keeps it until the last is gone", () => {
    const before = tf.memory();
    const x = tf.tensor1d([1, 2, 3, 4]);
    const y = x.reshape([2, 2]);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers + 1);
    expect(tf.memory().numTensors).toBe(before.numTensors + 2);
    x.dispose();
    expect(Array.from(y.add(1).dataSync())).toEqual([2, 3, 4, 5]);
    y.dispose();
  });

  it("uses a value whose tensor was disposed of before the run", () => {
    const x = tf.tensor1d([1, 2]);
    const y = x.mul(2);
    x.dispose();
    expect(Array.from(y.dataSync())).toEqual([2, 4]);
    y.dispose();
  });

  it("takes tensors over from another engine", async () => {
    await use("cpu");
    const x = tf.tensor1d([1, 2, 3]);
    await use("ort-cpu");
    expect(Array.from(x.add(1).dataSync())).toEqual([2, 3, 4]);
    x.dispose();
  });

  it("assigns variables", () => {
    const v = tf.variable(tf.tensor1d([1, 2]));
    for (let i = 0; i < 3; i++) tf.tidy(() => v.assign(v.mul(2)));
    expect(Array.from(v.dataSync())).toEqual([8, 16]);
    v.dispose();
  });

  it("holds strings", () => {
    const t = tf.tensor1d(["a", "ü"]);
    expect(t.dataSync() as unknown).toEqual(["a", "ü"]);
    t.dispose();
  });

  it("refuses complex numbers with a way out, naming the op and its shapes", () => {
    const said = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const before = tf.memory().numDataBuffers;
    expect(() => tf.tidy(() => tf.complex([1], [2]))).toThrow(
      "Complex(real [1] float32, imag [1] float32): " +
        "ort-cpu: tensors of type complex64 are not supported (shape [1]); " +
        "use float32, int32 or bool, or run with S2_ENGINE=cpu",
    );
    said.mockRestore();
    expect(tf.memory().numDataBuffers).toBe(before);
  });

  it("refuses to compute with strings", () => {
    expect(() => tf.tidy(() => tf.tile(tf.tensor1d(["a"]), [2]))).toThrow(
      "ort-cpu: strings are not computed with (shape [1]); use numbers, or run with S2_ENGINE=cpu",
    );
  });

  it("moves data to another engine and back", async () => {
    const x = tf.tensor1d([1, 2, 3]).add(1);
    await use("cpu");
    x.square().dataSync();
    await use("ort-cpu");
    expect(Array.from(x.square().dataSync())).toEqual([4, 9, 16]);
    const count = tf.engine().backend.numDataIds();
    x.dispose();
    expect(tf.engine().backend.numDataIds()).toBe(count - 1);
  });
});

describe("memory", () => {
  it("stays flat over 50 training steps", () => {
    const W = tf.variable(tf.ones([8, 8]));
    const optimizer = tf.train.adam(0.01);
    const x = tf.tensor2d(
      Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
      [4, 8],
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
    const first = step();
    step();
    const { numTensors, numDataBuffers, numBytes } = tf.memory();
    const graphs = ortStats().graphsCached;
    let last = first;
    for (let i = 0; i < 50; i++) last = step();
    expect(tf.memory()).toMatchObject({ numTensors, numDataBuffers, numBytes, unreliable: false });
    expect(ortStats().graphsCached).toBe(graphs);
    expect(last).toBeLessThan(first);
    tf.dispose([W, x]);
    optimizer.dispose();
  });
});

describe("what ONNX does not cover", () => {
  it("is nothing that tfjs' own backend covers: every kernel of it is there", () => {
    const lacking = tf
      .getKernelsForBackend("cpu")
      .map(({ kernelName }) => kernelName)
      .filter((name) => tf.getKernel(name, "ort-cpu") == null);
    expect(lacking).toEqual([]);
    expect(tf.getKernelsForBackend("cpu").length).toBeGreaterThan(150);
  });

  it("runs in plain JavaScript, counted and said once", () => {
    const said = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const sorted = (): number[] =>
      tf.tidy(() => Array.from(tf.unique(tf.tensor1d([1, 5, 1]).add(1)).values.dataSync()));
    expect(sorted()).toEqual([2, 6]);
    expect(sorted()).toEqual([2, 6]);
    expect(ortStats().fallbacks).toEqual({ Unique: 2 });
    const lines = said.mock.calls.map(([text]) => String(text)).filter((text) => text.includes("Unique"));
    said.mockRestore();
    expect(lines).toEqual([
      "ort-cpu: Unique(x [3] float32) runs in plain JavaScript, which is slow in a training step\n",
    ]);
  });

  it("names a kernel that nobody has", () => {
    expect(() => tf.engine().runKernel("Nope", { x: tf.scalar(1) })).toThrow(
      "Kernel 'Nope' not registered for backend 'ort-cpu'",
    );
  });
});

describe("the first NaN in debug mode", () => {
  const told = (f: () => void): string => {
    configureOrt({ debug: true });
    const said = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    tf.tidy(f);
    const lines = said.mock.calls.map(([text]) => String(text)).join("");
    said.mockRestore();
    return lines;
  };

  it("is named by op, shape and line", () => {
    expect(told(() => tf.tensor1d([1, -1]).log().add(1).sum().dataSync())).toMatch(
      /^ort-cpu: first NaN, op Log \[2\] recorded at lib\/engine\/ort\/tests\/trace\/backend\.test\.ts:\d+\n$/,
    );
  });

  it("of a gradient is named by where the gradient was asked for", () => {
    // d/dx √x at 0 times 0
    const line = told(() =>
      tf
        .grad((x) => x.mul(0).sqrt().sum())(tf.scalar(1))
        .dataSync(),
    );
    expect(line).toMatch(
      /^ort-cpu: first NaN, op \w+ \[\] recorded at lib\/engine\/ort\/tests\/trace\/backend\.test\.ts:\d+\n$/,
    );
  });

  it("that came in from outside is said to", () => {
    expect(told(() => tf.tensor1d([NaN, 1]).add(1).dataSync())).toMatch(
      /op Add \[2\] recorded at .* \(an input \[2\] had one already\)\n$/,
    );
  });

  it("is nothing where numbers are finite", () => {
    expect(told(() => tf.tensor1d([-Infinity, 1]).softmax().dataSync())).toBe("");
  });
});

describe("failures inside ONNX Runtime", () => {
  const bad = (): Tensor => tf.gather(tf.tensor1d([1, 2, 3]), tf.tensor1d([7], "int32"));

  it("name the tfjs op and the way to the graph, at every read", () => {
    const y = bad();
    expect(() => y.dataSync()).toThrow(
      /ort-cpu: tfjs op GatherV2 failed to run in ONNX Runtime: .*out of.*bounds.*S2_ENGINE_DEBUG=1/is,
    );
    expect(() => y.dataSync()).toThrow(/GatherV2/);
    expect(() => y.add(1)).toThrow(/GatherV2/);
    y.dispose();
    expect(Array.from(tf.tensor1d([1]).add(1).dataSync())).toEqual([2]);
  });

  it("name the line that recorded the op, and leave the graph on disk, in debug mode", () => {
    configureOrt({ debug: true });
    const y = bad();
    let message = "";
    try {
      y.dataSync();
    } catch (error) {
      message = (error as Error).message;
    }
    const file = /graph written to (.*\.onnx)/.exec(message)?.[1];
    expect(file, message).toBeDefined();
    expect(message).toMatch(
      /tfjs op GatherV2 recorded at lib\/engine\/ort\/tests\/trace\/backend\.test\.ts:\d+ failed/,
    );
    expect(existsSync(file!)).toBe(true);
    rmSync(dirname(file!), { recursive: true });
    y.dispose();
  });
});
