import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { run as report } from "../../lib/cli/report";
import { inProject } from "../../lib/core/root";
import { lab } from "../../lib/index";
import { runsFolder } from "../../lib/runs/folder";
import { storeSampleRun, writeSampleResults } from "../report/sample";
import { printed } from "../setup/printed";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-cli-report-"));
  vi.stubEnv("S2_RESULTS", results);
  // without pictures it is quick
  vi.stubEnv("S2_CHROMIUM", join(results, "absent"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(results, { recursive: true });
});

const titleOf = (file: string): string =>
  (JSON.parse(readFileSync(file, "utf8")) as { layout: { title: { text: string } } }).layout.title.text;

test("rows of any folder appear, each data set under its own name; titles come from the data", async () => {
  writeSampleResults(results);
  const kitchen = { synthetic: false, set: ["data.folder=/somewhere/kitchens/mine"] };
  const real = ["full", "no-mpe"].map((variant) => storeSampleRun({ variant, ...kitchen, map: variant === "full" }));
  const trial = storeSampleRun({ ...kitchen, set: [...kitchen.set, "training.steps=10"], sample: 9 });
  const old = storeSampleRun({ variant: "no-attn", seed: 9, identity: { numerics: 0 } });
  writeFileSync(
    join(runsFolder(), real[0]!.run, "metrics.jsonl"),
    [0, 1].map((step) => `${JSON.stringify({ step, seconds: step, ground: 2 - step })}\n`).join(""),
  );
  expect(lab.results("table5", { data: "kitchens/mine" })).toEqual([...real, trial]);
  expect(lab.results("table5", { data: "kitchens/mine", variant: "full" })).toEqual([real[0]]);
  expect(lab.results("table5", { variant: "full, training.steps=10" })).toEqual([trial]);

  const out = join(results, "out");
  const { status } = await printed(report, "--out", out, "--json");
  expect(status).toBe(0);
  const table = readFileSync(join(out, "table5.md"), "utf8");
  const lines = table.split("\n").filter((line) => /^\|.*kitchens\/mine, true boxes/.test(line));
  const settings = lines.map((line) => line.split("|")[1]!.trim());
  expect(settings).toContain("without position encoding (no-mpe)");
  // a trial with --set stands beside its variant, not in it
  expect(settings).toContain("full, training.steps=10");
  const full = lines.find((line) => line.includes("(ours: 8 views") && line.includes("Acc@0.25"))!;
  expect(full.split("|")[4]!.trim()).toBe(real[0]!.metrics.acc25.toFixed(1));
  expect(lines.join()).not.toContain("synthetic");
  expect(table).toMatch(/rooms\/sample, true boxes, synthetic/);
  expect(table).toContain("Made by code of numerics version 0 (today's is 1), and not done again since: no-attn.");
  expect(old.numerics).toBe(0);

  const titles = readdirSync(out)
    .filter((name) => name.endsWith(".json"))
    .map((name) => [name, titleOf(join(out, name))] as const);
  for (const [name, title] of titles) expect(title, name).toMatch(/kitchens\/mine|S2-Rooms \(synthetic\)/);
  const named = (part: string): string[] => titles.filter(([name]) => name.startsWith(part)).map(([, title]) => title);
  expect(named("ablation-acc25").filter((title) => title.includes("kitchens/mine"))).toHaveLength(1);
  expect(named("by-relation").some((title) => title.includes("kitchens/mine"))).toBe(true);
  // the only map and the only log are the kitchen's
  for (const title of [...named("attention"), ...named("training")]) {
    expect(title).toContain("kitchens/mine");
    expect(title).not.toContain("S2-Rooms");
  }
});

test("what it writes goes to a folder that git ignores, unless it is to be published", async () => {
  const { out } = await printed(report, "--help").catch((help: { text: string }) => ({ out: help.text }));
  expect(out).toContain("data/local/report unless given");
  expect(readFileSync(inProject(".gitignore"), "utf8")).toMatch(/^\/data\/local\/$/m);
  await expect(report(["--publish", "--out", join(results, "out")])).rejects.toMatchObject({ exitCode: 2 });
  expect(existsSync(join(results, "out"))).toBe(false);
});
