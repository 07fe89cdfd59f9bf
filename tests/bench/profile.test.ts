import { expect, test } from "vitest";
import { operationsOf } from "../../lib/bench/profile";

interface Shapes {
  readonly ins: readonly (readonly number[])[];
  readonly out: readonly number[];
}

/** A trace in the form of ONNX Runtime's: runs of 10 ms from `start` on, each with these kernels. */
function trace(runs: number, kernels: readonly (readonly [op: string, us: number, shapes?: Shapes])[]): string {
  const events: unknown[] = [{ cat: "Session", name: "model_loading_uri", ts: 0, dur: 5 }];
  for (let run = 0; run < runs; run++) {
    const start = 100_000 * (run + 1);
    // ONNX Runtime writes the run behind its nodes
    kernels.forEach(([op, us, shapes], i) => {
      events.push({ cat: "Node", name: `n${i}_fence_before`, ts: start + i, dur: 0, args: { op_name: op } });
      events.push({
        cat: "Node",
        name: `n${i}_kernel_time`,
        ts: start + i,
        dur: run === 0 ? 50 * us : us,
        args: {
          op_name: op,
          ...(shapes === undefined
            ? {}
            : { input_type_shape: shapes.ins.map((s) => ({ float: s })), output_type_shape: [{ float: shapes.out }] }),
        },
      });
    });
    events.push({ cat: "Session", name: "model_run", ts: start, dur: 10_000 });
  }
  return JSON.stringify(events);
}

test("times and floating-point operations by operation, mean of the runs behind the first", () => {
  const step = trace(4, [
    [
      "FusedMatMul",
      3000,
      {
        ins: [
          [2, 8, 16],
          [2, 8, 32],
        ],
        out: [2, 16, 32],
      },
    ],
    [
      "MatMul",
      1000,
      {
        ins: [
          [4, 5],
          [5, 6],
        ],
        out: [4, 6],
      },
    ],
    ["Mul", 2000, { ins: [[4], [4]], out: [4] }],
    [
      "MatMul",
      500,
      {
        ins: [
          [4, 5],
          [5, 6],
        ],
        out: [4, 6],
      },
    ],
  ]);
  const operations = operationsOf([trace(1, [["Add", 9]]), step]);
  expect(operations.map(({ op, ms }) => [op, ms])).toEqual([
    ["FusedMatMul", 3],
    ["Mul", 2],
    ["MatMul", 1.5],
  ]);
  // 2 M N K: the first operand of the fused product is transposed, [8, 16] stands for 16 rows of 8
  expect(operations.map(({ flops }) => flops)).toEqual([2 * 2 * 16 * 32 * 8, 0, 2 * (2 * 4 * 6 * 5)]);
});

test("the nodes of a loop over pieces stand for themselves", () => {
  const step = trace(3, [
    ["Mul", 2000],
    ["Erf", 1000],
    ["Scan", 3500],
  ]);
  expect(operationsOf([step])).toEqual([
    { op: "Mul", ms: 2, flops: 0 },
    { op: "Erf", ms: 1, flops: 0 },
  ]);
});
