import type { NamedTensorMap, Scalar, Tensor, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { adamw, configureOrt, ortStats, RepeatedStep, resetOrtStats, tf } from "../../index";
import { cudaOptions } from "../../runtime/session";
import { type Engine, leaveOut, use, WHERE } from "../engines";
import { Random } from "../random";

// the CPU provider here leaves its results on "the device" too, bound by the code that binds them on a GPU, and runs
// repeated steps at fixed addresses as CUDA would capture them
vi.mock("../../runtime/provider", async (original) => {
  const { PROVIDERS } = await original<typeof import("../../runtime/provider")>();
  return { PROVIDERS: { ...PROVIDERS, "ort-cpu": { ...PROVIDERS["ort-cpu"], memory: "device", capturesRuns: true } } };
});

const [BATCH, INPUTS, HIDDEN] = [16, 6, 24];
const STEPS = 8;
const SCALARS = ["lr", "correction1", "correction2"] as const;

interface Parameter {
  readonly value: Variable;
  readonly m: Variable;
  readonly v: Variable;
}

function parameter(random: Random, shape: [number, number]): Parameter {
  const variable = (numbers: Float32Array): Variable => tf.tidy(() => tf.variable(tf.tensor(numbers, shape)));
  const zeros = (): Variable => variable(new Float32Array(shape[0] * shape[1]));
  return { value: variable(random.array(shape, -0.5, 0.5)), m: zeros(), v: zeros() };
}

/** Losses of a small regression trained with AdamW, and the bytes that each step moved. */
async function train(
  engine: Engine,
  watch: (step: number, weights: Variable) => void = () => {},
): Promise<{ losses: number[]; up: number[]; down: number[]; fixed: number[] }> {
  await use(engine);
  const random = new Random("bytes");
  const parameters = [parameter(random, [INPUTS, HIDDEN]), parameter(random, [HIDDEN, 1])];
  const constants = { beta1: tf.scalar(0.9), beta2: tf.scalar(0.999), eps: tf.scalar(1e-8) };
  const step = new RepeatedStep((inputs: NamedTensorMap): Tensor => {
    const values = parameters.map((p) => p.value as Tensor as Tensor2D);
    const loss = (): Scalar => {
      const hidden = tf.tanh(tf.matMul(inputs.x as Tensor2D, values[0]!));
      return tf
        .matMul(hidden as Tensor2D, values[1]!)
        .sub(inputs.y!)
        .square()
        .mean()
        .asScalar();
    };
    const { value, grads } = tf.variableGrads(
      loss,
      parameters.map((p) => p.value),
    );
    const scalars = { ...constants, ...(inputs as NamedTensorMap & Record<(typeof SCALARS)[number], Scalar>) };
    const { lr, correction1, correction2, beta1, beta2, eps } = scalars;
    for (const p of parameters) {
      const rates = { lr, correction1, correction2, beta1, beta2, eps };
      const [next, m, v] = adamw(p.value, grads[p.value.name]!, p.m, p.v, rates);
      p.value.assign(next);
      p.m.assign(m);
      p.v.assign(v);
    }
    return value;
  });
  const moved = { losses: [] as number[], up: [] as number[], down: [] as number[], fixed: [] as number[] };
  for (let i = 1; i <= STEPS; i++) {
    const inputs: NamedTensorMap = {
      x: tf.tensor2d(random.array([BATCH, INPUTS], -1, 1), [BATCH, INPUTS]),
      y: tf.tensor2d(random.array([BATCH, 1], -1, 1), [BATCH, 1]),
      lr: tf.scalar(0.01 / i),
      correction1: tf.scalar(1 - 0.9 ** i),
      correction2: tf.scalar(1 - 0.999 ** i),
    };
    if (engine.startsWith("ort-")) resetOrtStats(engine as "ort-cpu");
    moved.losses.push(step.run(inputs)[0]!);
    if (engine.startsWith("ort-")) {
      const { bytesUp, bytesDown, fixedRuns } = ortStats(engine as "ort-cpu");
      moved.up.push(bytesUp);
      moved.down.push(bytesDown);
      moved.fixed.push(fixedRuns);
    }
    watch(i, parameters[0]!.value);
    tf.dispose(inputs);
  }
  tf.dispose([...parameters.flatMap(({ value, m, v }) => [value, m, v]), ...Object.values(constants)]);
  return moved;
}

const batchBytes = 4 * (BATCH * INPUTS + BATCH + SCALARS.length);

async function check(engine: Engine): Promise<void> {
  const want = await train("cpu");
  const { losses, up, down } = await train(engine);
  losses.forEach((loss, i) => expect(Math.abs(loss - want.losses[i]!)).toBeLessThan(1e-5));
  // weights, moments and constants went up in the first steps; later ones upload the batch and download the loss alone
  expect(up.slice(4)).toEqual(Array(STEPS - 4).fill(batchBytes));
  expect(down).toEqual(Array(STEPS).fill(4));
}

describe("a training step moves its batch to the device, and the loss back", { timeout: 120_000 }, () => {
  it("on the CPU provider, bound as a device", () => check("ort-cpu"));
  it.skipIf(leaveOut)(WHERE, () => check("ort-webgpu"));
});

describe("with captured runs", { timeout: 120_000 }, () => {
  afterEach(() => configureOrt({ cudaGraph: false }, "ort-cpu"));

  it("the CUDA provider is told so, and whether it may round to TF32", () => {
    expect(cudaOptions({ precision: "float32", cudaGraph: false })).toEqual({ use_tf32: "0" });
    expect(cudaOptions({ precision: "tf32", cudaGraph: true })).toEqual({ use_tf32: "1", enable_cuda_graph: "1" });
  });

  it("a training goes to and fro between two sets of tensors, with the same losses and bytes", async () => {
    const want = await train("cpu");
    await use("ort-cpu");
    configureOrt({ cudaGraph: true }, "ort-cpu");
    const { losses, up, down, fixed } = await train("ort-cpu");
    losses.forEach((loss, i) => expect(Math.abs(loss - want.losses[i]!)).toBeLessThan(1e-5));
    // two steps are traced, two make the sets
    expect(fixed).toEqual([0, 0, 0, 0, ...Array(STEPS - 4).fill(1)]);
    expect(up.slice(4)).toEqual(Array(STEPS - 4).fill(batchBytes));
    expect(down).toEqual(Array(STEPS).fill(4));
  });

  it("numbers that somebody still holds are not written over", async () => {
    await use("ort-cpu");
    configureOrt({ cudaGraph: true }, "ort-cpu");
    const kept: { tensor: Tensor; numbers: number[] }[] = [];
    const { losses } = await train("ort-cpu", (step, weights) => {
      // of the fourth step on results lie in the tensors that later ones want
      if (step >= 4 && step <= 6) kept.push({ tensor: weights.clone(), numbers: Array.from(weights.dataSync()) });
    });
    const want = await train("cpu");
    losses.forEach((loss, i) => expect(Math.abs(loss - want.losses[i]!)).toBeLessThan(1e-5));
    for (const { tensor, numbers } of kept) expect(Array.from(tensor.dataSync())).toEqual(numbers);
    tf.dispose(kept.map(({ tensor }) => tensor));
  });
});
