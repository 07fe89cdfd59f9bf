import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "../../lib/core/programs";
import { attentionFramesFigure, attentionMatrixFigure } from "../../lib/report/figures/attention";
import { errorFigure } from "../../lib/report/figures/errors";
import { sceneFigure } from "../../lib/report/figures/scene";
import { dataLabel } from "../../lib/report/figures/theme";
import { reportPage } from "../../lib/report/page";
import { type ReportInput, reportSections } from "../../lib/report/sections";
import { reportSummary } from "../../lib/report/summary";
import { clashingTexts, cutTexts, launchChromium, openPage, settled, swipe } from "../setup/page-in-chromium";
import { sampleAttention, samplePredictions, sampleRows } from "./sample";

const hostile = `<img src=x onerror=window.hit=1> "a" & 'b' %{x} 🪑 קרוב`;

const rows = sampleRows([0, 1, 2]);
const elsewhere = sampleRows([0, 1], ["full", "no-mpe"]).map((row) => ({ ...row, data: hostile, synthetic: false }));
const attention = sampleAttention();
const input: ReportInput = {
  rows: [...rows, ...elsewhere],
  answersOf: (row) => samplePredictions(row.variant, row.seed),
  training: ["full", "no-mpe", hostile].flatMap((label, l) =>
    [0, 1].map((seed) => ({
      label,
      seed,
      source: "S2-Rooms (synthetic)",
      metrics: Array.from({ length: 40 }, (_, step) => ({
        step,
        seconds: step,
        ground: 3 - 0.05 * step + 0.1 * l,
        language: 2 / (1 + step + seed),
        recon: 0.5,
      })),
    })),
  ),
  warnings: [hostile],
  extra: [
    attentionFramesFigure({ ...attention, views: attention.views.map((view) => ({ ...view, frame: hostile })) }),
    attentionMatrixFigure(attention),
    errorFigure({ spatial: 60, semantic: 3, detection: 1, annotation: 0 }, dataLabel(rows)),
    sceneFigure({
      sceneId: "scene0000_00",
      source: "S2-Rooms (synthetic)",
      sentence: hostile,
      boxes: [{ box: [0, 0, 0, 1, 1, 1], label: hostile, role: "target" }],
    }),
  ],
  explorers: [{ name: hostile, file: "explore-answers.html" }],
};

test("the first screen asks, and answers with a verdict on each component and the numbers behind it", () => {
  const { question, verdicts, figure, basis } = reportSummary(input);
  expect(question).toMatch(/\?$/);
  expect(verdicts.map(({ component }) => component)).toEqual([
    "Spatial guidance",
    "Position encoding",
    "Structure attention",
    "Language guidance",
  ]);
  // the invented answers are right with chance 0.7 with position encoding and 0.35 without
  const position = verdicts[1]!;
  expect(position.verdict).toBe("matters");
  expect(position.text).toMatch(
    /^Without it Acc@0\.25 changes by −\d\d\.\d points, 95 % interval −\d.* to −\d.*; in the paper by −15\.05\.$/,
  );
  expect(verdicts[0]!.verdict).toMatch(/^undecided/);
  expect(basis).toBe("S2-Rooms (synthetic) · preset nano · true boxes · 240 test sentences · seeds 0, 1, 2");
  // a mark for each component of ours, its seeds, and the paper's
  const marks = figure.data.map((trace) => [trace.name, (trace as { x: unknown[] }).x.length]);
  expect(marks).toContainEqual(["each seed", 12]);
  expect(marks).toContainEqual(["paper, on ScanRefer", 4]);
});

test("without a run every component says which command makes one", () => {
  const empty = { ...input, rows: [], training: [], warnings: [], extra: [], explorers: [] };
  const { verdicts, basis } = reportSummary(empty);
  expect(basis).toMatch(/no finished run yet: npm start/);
  for (const { verdict, text } of verdicts) {
    expect(verdict).toBe("not run yet");
    expect(text).toMatch(/^s2mllm study table5 --variants full,no-\w+ runs it; in the paper by/);
  }
  expect(reportPage(empty)).toContain("not run yet");
});

test("Table 5 stands in the paper's layout: settings as rows, metrics as columns, ours beside the paper's", () => {
  const section = reportSections(input).find(({ id }) => id === "table5")!;
  const table = section.tables.find(({ title }) => title.includes("S2-Rooms"))!;
  expect(table.columns.map(({ label }) => label)).toEqual([
    "setting",
    "Acc@0.25 (%) ours",
    "paper",
    "Acc@0.5 (%) ours",
    "paper",
  ]);
  const line = table.rows.find(({ setting }) => setting === "without position encoding")!;
  const mean = rows.filter((r) => r.variant === "no-mpe").reduce((sum, r) => sum + r.metrics.acc25 / 3, 0);
  expect(line["acc25 ours"]).toMatch(new RegExp(`^${mean.toFixed(1)} ± \\d`));
  expect(line["acc25 paper"]).toBe("44.13");
  expect(section.details!.tables).toHaveLength(1);
});

let browser: Browser;
let folder: string;
describe.runIf(findChromium() !== undefined || process.env.CI === "true")("in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium();
    folder = mkdtempSync(join(tmpdir(), "s2-page-"));
    writeFileSync(join(folder, "report.html"), reportPage(input));
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  test.each([
    [1280, false],
    [1280, true],
    [390, false],
    [390, true],
  ])("at %i px, dark %s: all is drawn, no text is cut or over another", { timeout: 300_000 }, async (width, dark) => {
    const { tab, errors } = await openPage(browser, join(folder, "report.html"), width, dark);
    const plots = await tab.locator(".plot").count();
    expect(await tab.locator(".plot .main-svg").count()).toBeGreaterThanOrEqual(plots);
    expect(await tab.evaluate(clashingTexts)).toEqual([]);
    await tab.evaluate('for (const d of document.querySelectorAll("details")) d.open = true');
    expect(await tab.evaluate(cutTexts)).toEqual([]);
    expect(await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    // names are text, in the page and in the figures
    expect(await tab.evaluate("[window.hit, document.querySelectorAll('img').length]")).toEqual([undefined, 0]);
    expect(await tab.locator("#examples .plot svg").allTextContents()).toContainEqual(expect.stringContaining("<img"));
    expect(errors).toEqual([]);
    if (process.env.S2_SHOTS !== undefined)
      await tab.screenshot({ path: join(process.env.S2_SHOTS, `report-${width}-${dark}.png`), fullPage: true });
    await tab.close();
  });

  test("one finger on a 3D figure scrolls the page, two turn the figure", { timeout: 300_000 }, async () => {
    const { tab, errors } = await openPage(browser, join(folder, "report.html"), 390);
    const plot = '[...document.querySelectorAll(".plot")].find((p) => p._fullLayout.scene !== undefined)';
    const id = await tab.evaluate(`(${plot}).scrollIntoView({ block: "center" }), (${plot}).id`);
    const scrolled = (): Promise<number> => tab.evaluate("scrollY");
    const eye = (): Promise<string> =>
      tab.evaluate(`JSON.stringify((${plot})._fullLayout.scene._scene.getCamera().eye)`);
    const [top, before] = [await scrolled(), await eye()];
    const middle = async (): Promise<number> => {
      const { y, height } = (await tab.locator(`#${id}`).boundingBox())!;
      return y + height / 2;
    };
    await swipe(tab, 1, [150, await middle()], [0, 100]);
    await expect.poll(scrolled).toBeLessThan(top - 50);
    await settled(tab);
    expect(await eye()).toBe(before);
    const rest = await scrolled();
    await swipe(tab, 2, [100, await middle()], [80, 0]);
    await expect.poll(eye).not.toBe(before);
    await settled(tab);
    expect(await scrolled()).toBe(rest);
    expect(errors).toEqual([]);
    await tab.close();
  });

  test("the answer and its figure are on the first screen", { timeout: 120_000 }, async () => {
    const { tab } = await openPage(browser, join(folder, "report.html"), 1280);
    const bottom = await tab.evaluate('document.querySelector("#summary .plot").getBoundingClientRect().bottom');
    expect(bottom).toBeLessThan(900);
    await tab.close();
  });
});
