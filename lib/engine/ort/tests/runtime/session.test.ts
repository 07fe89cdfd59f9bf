import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Value } from "../../ir";
import { encodeModel, type NodeSpec, type TensorSpec } from "../../lower/onnx";
import { PROVIDERS } from "../../runtime/provider";
import { Session } from "../../runtime/session";

/** Threads of the first session, and so of the pool. */
const POOL = 2;

function session(
  op: string,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  options: { threads?: number; attributes?: NodeSpec["attributes"] } = {},
): Session {
  const names = (list: readonly TensorSpec[]): string[] => list.map(({ name }) => name);
  const node: NodeSpec = {
    op,
    name: `${op}#1`,
    inputs: names(inputs),
    outputs: names(outputs),
    domain: "",
    attributes: options.attributes ?? {},
  };
  const model = encodeModel({ nodes: [node], inputs, outputs, constants: [] });
  return new Session(model, names(inputs), names(outputs), PROVIDERS["ort-cpu"], {
    threads: options.threads ?? POOL,
    profile: undefined,
    strict: false,
    precision: "float32",
    cudaGraph: false,
  });
}

const float = (name: string, dims: readonly number[]): TensorSpec => ({ name, type: "float32", dims });
const zeros = (dims: number[]): Value => Value.of(new Float32Array(dims.reduce((a, b) => a * b, 1)), dims, "float32");

const counting = (dims: number[]): Value => {
  const value = zeros(dims);
  (value.storage.data as Float32Array).forEach((_, i, numbers) => (numbers[i] = i));
  return value;
};
const numbers = ({ storage }: Value): number[] => Array.from(storage.data!);

describe("a session of ONNX Runtime's C library", () => {
  it("writes into the caller's buffers, in the order of the names", () => {
    const halves = session("Split", [float("x", [4, 3])], [float("größer", [2, 3]), float("b", [2, 3])], {
      attributes: { axis: 0, num_outputs: 2 },
    });
    const into = [zeros([2, 3]), zeros([2, 3])];
    const buffers = into.map(({ storage }) => storage.data);
    halves.run([counting([4, 3])], into);
    expect(into.map(({ storage }, i) => storage.data === buffers[i])).toEqual([true, true]);
    expect(into.map(numbers)).toEqual([
      [0, 1, 2, 3, 4, 5],
      [6, 7, 8, 9, 10, 11],
    ]);
    halves.dispose();
  });

  it("takes a part of a buffer, one number, none, and every element type of tensors", () => {
    const sum = session(
      "Add",
      [
        { name: "x", type: "float32" },
        { name: "y", type: "float32" },
      ],
      [{ name: "z", type: "float32" }],
    );
    const part = Value.of(Float32Array.of(9, 9, 1, 2).subarray(2), [2], "float32");
    const cases: [Value, Value, number[]][] = [
      [part, part, [2, 4]],
      [counting([]), part, [1, 2]],
      [counting([0, 3]), counting([3]), []],
    ];
    for (const [x, y, want] of cases) {
      const z = zeros(want.length === 0 ? [0, 3] : [2]);
      sum.run([x, y], [z]);
      expect(numbers(z)).toEqual(want);
    }
    sum.dispose();
    const where = session(
      "Where",
      [
        { name: "c", type: "bool" },
        { name: "x", type: "int32" },
        { name: "y", type: "int32" },
      ],
      [{ name: "z", type: "int32" }],
    );
    const z = Value.of(new Int32Array(2), [2], "int32");
    where.run(
      [
        Value.of(Uint8Array.of(1, 0), [2], "bool"),
        Value.of(Int32Array.of(1, -2), [2], "int32"),
        Value.of(Int32Array.of(3, -4), [2], "int32"),
      ],
      [z],
    );
    expect(numbers(z)).toEqual([1, -4]);
    where.dispose();
  });

  it("says what ONNX Runtime says, and runs again", () => {
    expect(() => session("NoSuchOp", [float("x", [2])], [float("y", [2])])).toThrow(/NoSuchOp/);
    const neg = session("Neg", [float("x", [2])], [float("y", [2])]);
    expect(() => neg.run([counting([3])], [zeros([2])])).toThrow(
      /Got invalid dimensions for input: x[\s\S]*Got: 3 Expected: 2/,
    );
    const y = zeros([2]);
    neg.run([counting([2])], [y]);
    expect(numbers(y)).toEqual([-0, -1]);
    neg.dispose();
  });

  it.skipIf(process.platform !== "linux")(
    "shares the process's threads, or has its own until it is disposed of",
    () => {
      const threads = (): number => readdirSync("/proc/self/task").length;
      const neg = (count: number): Session => session("Neg", [float("x", [2])], [float("y", [2])], { threads: count });
      const first = neg(POOL);
      const before = threads();
      const sharing = [neg(POOL), neg(POOL), neg(POOL)];
      expect(threads()).toBe(before);
      const own = neg(POOL + 2);
      expect(threads()).toBe(before + POOL + 1);
      for (const each of [first, ...sharing, own]) each.dispose();
      expect(threads()).toBe(before);
    },
  );

  it("keeps nothing of a run", () => {
    const neg = session("Neg", [float("x", [2])], [float("y", [2])]);
    const [x, y] = [counting([2]), zeros([2])];
    const run = (times: number): number => {
      for (let i = 0; i < times; i++) neg.run([x], [y]);
      return process.memoryUsage().rss;
    };
    const early = run(20_000);
    // two values of at least 100 bytes that each run left behind would be 20 MB
    expect(run(100_000) - early).toBeLessThan(8e6);
    neg.dispose();
  });

  it("leaves results on the device, and takes them from there", () => {
    const neg = session("Neg", [float("x", [2])], [float("y", [2])]);
    const x = counting([2]);
    const onDevice = new Value([2], "float32");
    onDevice.storage.device = { pointer: neg.runOnDevice([x])[0]! };
    const y = zeros([2]);
    neg.run([onDevice], [y]);
    expect(numbers(y)).toEqual([0, 1]);
    neg.release(onDevice.storage.device.pointer);
    neg.dispose();
  });

  it("keeps nothing of a run on the device", () => {
    const neg = session("Neg", [float("x", [2])], [float("y", [2])]);
    const x = counting([2]);
    const run = (times: number): number => {
      for (let i = 0; i < times; i++) for (const y of neg.runOnDevice([x])) neg.release(y);
      return process.memoryUsage().rss;
    };
    const early = run(20_000);
    expect(run(100_000) - early).toBeLessThan(8e6);
    neg.dispose();
  });
});
