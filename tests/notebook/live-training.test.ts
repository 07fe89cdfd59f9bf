import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KernelSession } from "../../lib/notebook/session";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

let world: TinyWorld;
let results: string;
let kernel: KernelSession;
const before = process.env.S2_RESULTS;
beforeAll(async () => {
  world = await tinyWorld(811);
  results = mkdtempSync(join(tmpdir(), "s2-live-training-"));
  process.env.S2_RESULTS = join(results, "results");
  // an interrupt gives ten seconds to stop; processes that write their coverage as they end take seconds of them
  const coverage = process.env.NODE_V8_COVERAGE;
  delete process.env.NODE_V8_COVERAGE;
  kernel = await KernelSession.start(results);
  if (coverage !== undefined) process.env.NODE_V8_COVERAGE = coverage;
}, 300_000);
afterAll(async () => {
  await kernel.close();
  if (before === undefined) delete process.env.S2_RESULTS;
  else process.env.S2_RESULTS = before;
  world.remove();
  rmSync(results, { recursive: true, force: true });
});

type Shown = [type: string, text: string, html: string];

/** Runs a cell and interrupts it when something is shown that says so. */
async function stopAt(code: string, when: (text: string, html: string) => boolean): Promise<[string, Shown[]]> {
  const shown: Shown[] = [];
  let asked = false;
  const { evalue = "" } = await kernel.execute(code, (type, { data }) => {
    const bundle = (data ?? {}) as Record<string, string>;
    const [text = "", html = ""] = [bundle["text/plain"], bundle["text/html"]];
    shown.push([type, text, html]);
    if (asked || !when(text, html)) return;
    asked = true;
    kernel.interrupt();
  });
  return [evalue, shown];
}

const stepOf = (message: string): number => Number(/stopped after (\d+) of 100000 steps/.exec(message)?.[1]);

test("a training stopped by the interrupt keeps a checkpoint, and the cell run again goes on from it", async () => {
  const set = JSON.stringify([...world.set, "language.layers=1", "lora.fullLayers=1", "training.steps=100000"]);
  const code =
    'import { lab } from "./lib";\n' +
    `const model = await lab.model({ preset: "nano", set: ${set} });\n` +
    "const trained = await model.train();";
  const line = /seed 0 {2}(\d+)\/100000 {2}/;
  const [first] = await stopAt(code, (text) => line.test(text));
  expect(first).toContain("its checkpoint is kept");
  expect(stepOf(first)).toBeGreaterThanOrEqual(10);
  // the time that is left is known from the second state on
  const [second, shown] = await stopAt(code, (text) => / left {2}loss /.test(text));
  const begun = shown.flatMap(([, text]) => line.exec(text)?.[1] ?? []).map(Number)[0]!;
  expect(begun).toBeGreaterThan(stepOf(first));
  expect(begun).toBeLessThanOrEqual(stepOf(first) + 20);
  expect(stepOf(second)).toBeGreaterThan(stepOf(first));
  expect((await kernel.execute("1 + 1")).status).toBe("ok");
}, 300_000);

test("a study shows its curves in place while it trains, and says how to go on when it is stopped", async () => {
  const set = JSON.stringify([...world.set, "language.layers=1", "lora.fullLayers=1", "training.steps=100000"]);
  const code =
    'import { lab } from "./lib";\n' +
    `await lab.study("table5").run({ preset: "nano", seeds: [1], variants: ["full"], set: ${set} });`;
  // the second state: what the first step compiles is compiled
  let states = 0;
  const [message, shown] = await stopAt(code, (_, html) => html.includes("data-live") && ++states === 2);
  expect(message).toContain("study interrupted: 0 of 1 runs finished and kept");
  const curves = shown.filter(([, , html]) => html.includes("data-live"));
  expect(curves.map(([type]) => type)).toEqual(["display_data", ...curves.slice(1).map(() => "update_display_data")]);
  expect(curves.length).toBeGreaterThanOrEqual(2);
}, 300_000);
