import { afterAll, beforeAll, expect, it } from "vitest";
import { configureOrt, ortStats, resetOrtStats } from "../../lib/engine/backend";
import type { EngineName } from "../../lib/engine/choose";
import { leaveOut, leaveOutTensorflow, use, WHERE } from "../engine/engines";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

const STEPS = 50;
/** A software driver takes ten seconds for one; 50 steps of a smaller model run in tests/engine/ort.webgpu.test.ts. */
const STEPS_WEBGPU = 6;
let world: TinyWorld;
let want: number[];

/** Losses of the nano model's first steps, every loss on, with batches of their own. */
async function train(engine: EngineName, steps = STEPS): Promise<number[]> {
  const session = await world.session(
    world.config([
      "data.frames=2",
      "training.scenes=1",
      "training.sentences=3",
      `training.steps=${STEPS}`,
      "training.warmup=0.1",
    ]),
  );
  await use(engine);
  const trainer = world.trainer(session);
  const losses = Array.from({ length: steps }, (_, step) => trainer.step(step).total);
  trainer.dispose();
  return losses;
}

const worstGap = (got: readonly number[]): number =>
  Math.max(...got.map((loss, i) => Math.abs(loss - want[i]!) / want[i]!));

beforeAll(async () => {
  world = await tinyWorld(505);
  want = await train("ort-cpu");
}, 300_000);
afterAll(() => world.remove());

it("nano's training on ort-cpu moves", () => {
  expect(want.at(-1)).toBeLessThan(want[0]! - 0.5);
});

it("nano's first 50 losses on wasm are ort-cpu's", { timeout: 900_000 }, async () => {
  const gap = worstGap(await train("wasm"));
  console.log(`worst relative difference of ${STEPS} losses, wasm to ort-cpu: ${gap.toExponential(1)}`);
  expect(gap).toBeLessThan(1e-4);
});

it.skipIf(leaveOutTensorflow)(
  "nano's first 20 losses on tensorflow are ort-cpu's (left out where `engine install tensorflow` has not run)",
  { timeout: 900_000 },
  async () => {
    const gap = worstGap(await train("tensorflow", 20));
    console.log(`worst relative difference of 20 losses, tensorflow to ort-cpu: ${gap.toExponential(1)}`);
    expect(gap).toBeLessThan(1e-4);
  },
);

it.skipIf(leaveOut)(
  `nano's first ${STEPS_WEBGPU} losses ${WHERE} are ort-cpu's, with every node on the provider and nothing read ` +
    "but them",
  { timeout: 900_000 },
  async () => {
    await use("ort-webgpu");
    // a node that the provider leaves to the CPU is an error
    configureOrt({ strict: true }, "ort-webgpu");
    resetOrtStats("ort-webgpu");
    const gap = worstGap(await train("ort-webgpu", STEPS_WEBGPU));
    console.log(`worst relative difference of ${STEPS_WEBGPU} losses, ort-webgpu to ort-cpu: ${gap.toExponential(1)}`);
    expect(gap).toBeLessThan(1e-4);
    expect(ortStats("ort-webgpu")).toMatchObject({ downloads: STEPS_WEBGPU, fallbacks: {} });
    configureOrt({ strict: false }, "ort-webgpu");
  },
);
