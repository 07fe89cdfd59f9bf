import type { NamedTensorMap, Variable } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { transformer } from "../../lib/bench/tasks/transformer";
import { Rng } from "../../lib/core/rng";
import { ortStats } from "../../lib/engine/backend";
import { tf } from "../../lib/engine/tf";
import { initialValues } from "../../lib/model/initialise";
import { use } from "./engines";

const MEGABYTE = 2 ** 20;

interface Held {
  readonly tensors: number;
  readonly bytes: number;
  readonly graphs: number;
  /** Of the process, megabytes. */
  readonly resident: number;
}

function held(): Held {
  const { numTensors, numBytes } = tf.memory();
  return {
    tensors: numTensors,
    bytes: numBytes,
    graphs: ortStats().graphsCompiled,
    resident: process.memoryUsage().rss / MEGABYTE,
  };
}

it("2,000 training steps hold no more than 200", { timeout: 300_000 }, async () => {
  await use("ort-cpu");
  const task = transformer("tiny");
  const rng = new Rng(3, "long");
  const weights = new Map(
    task.parameters.map((spec): [string, Variable] => [
      spec.name,
      tf.tidy(() => tf.variable(tf.tensor(initialValues(spec, rng), [...spec.shape]))),
    ]),
  );
  const inputs: NamedTensorMap = Object.fromEntries(
    Object.entries(task.inputs()).map(([name, { shape, data }]) => [
      name,
      tf.tensor(data as Float32Array, [...shape], data instanceof Int32Array ? "int32" : "float32"),
    ]),
  );
  const program = task.build(weights, inputs);
  const [first] = program.firstSteps(1);
  for (let step = 1; step < 200; step++) program.step();
  const early = held();
  for (let step = 200; step < 2000; step++) program.step();
  const late = held();
  expect({ ...late, resident: 0 }).toEqual({ ...early, resident: 0 });
  // the weights are 22 kB: 1,800 steps that each kept them would add 39 MB
  expect(late.resident - early.resident).toBeLessThan(24);
  const [last] = program.firstSteps(1);
  expect(last).toBeLessThan(first! / 10);
});
