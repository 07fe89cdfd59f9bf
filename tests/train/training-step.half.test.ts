import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { configureOrt } from "../../lib/engine/backend";
import type { Nodes, Rule } from "../../lib/engine/ort/lower/graph";
import { use } from "../engine/engines";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

const STEPS = 50;
const rounding = vi.hoisted(() => ({ on: false }));

// The CPU provider computes half precision products in float32 and takes the casts around them away. A Split into one
// part keeps them: operands and results are rounded as on a GPU, sums inside a product are not.
vi.mock("../../lib/engine/ort/runtime/provider", async (original) => {
  const { PROVIDERS } = await original<typeof import("../../lib/engine/ort/runtime/provider")>();
  const { webgpuRules } = await import("../../lib/engine/ort/lower/rules/webgpu");
  const kept = (f: Nodes, name: string): string => f.graph.nodes("Split", [name], { axis: 0, num_outputs: 1 }, 1)[0]!;
  const product =
    (op: string): Rule =>
    (f, { inputs, attributes }) =>
      rounding.on && f.graph.typeOf(inputs[0]!) === "float32"
        ? f.cast(
            kept(
              f,
              f.node(
                op,
                inputs.map((name) => kept(f, f.cast(name, "float16"))),
                attributes,
              ),
            ),
            "float32",
          )
        : undefined;
  const cpu = PROVIDERS["ort-cpu"];
  const rules = {
    ...cpu.rules,
    FusedMatMul: webgpuRules.FusedMatMul!,
    MatMul: product("MatMul"),
    Gemm: product("Gemm"),
  };
  return { PROVIDERS: { ...PROVIDERS, "ort-cpu": { ...cpu, rules } } };
});

let world: TinyWorld;
beforeAll(async () => {
  world = await tinyWorld(505);
}, 300_000);
afterAll(() => world.remove());

async function losses(): Promise<number[]> {
  const session = await world.session(
    world.config([
      "data.frames=2",
      "training.scenes=1",
      "training.sentences=3",
      `training.steps=${STEPS}`,
      "training.warmup=0.1",
    ]),
  );
  const trainer = world.trainer(session);
  const all = Array.from({ length: STEPS }, (_, step) => trainer.step(step).total);
  trainer.dispose();
  return all;
}

it("products rounded to half precision train alike, with float32 weights and no scaling of the loss", {
  timeout: 300_000,
}, async () => {
  await use("ort-cpu");
  const want = await losses();
  // the other value drops the graphs of the first run
  configureOrt({ strict: true }, "ort-cpu");
  rounding.on = true;
  const got = await losses();
  const gaps = got.map((loss, i) => Math.abs(loss - want[i]!) / want[i]!);
  const early = Math.max(...gaps.slice(0, 10));
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const late = Math.abs(mean(got.slice(-20)) / mean(want.slice(-20)) - 1);
  console.log(
    `half precision products to float32: losses of the first 10 steps differ by ${early.toExponential(1)} at most, ` +
      `the mean of the last 20 of ${STEPS} by ${late.toExponential(1)}`,
  );
  expect(want.at(-1)).toBeLessThan(want[0]! - 0.5);
  // three digits are left of each product; steps of three sentences then drift apart, not off
  expect(early).toBeLessThan(2e-2);
  expect(late).toBeLessThan(5e-2);
  // something was rounded
  expect(early).toBeGreaterThan(1e-5);
});
