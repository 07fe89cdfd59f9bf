import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findChromium } from "../../lib/core/programs";
import { noChromium } from "../../lib/report/browser";
import { figureHtml, figureJson, saveFigures, scriptJson } from "../../lib/report/export";
import { attentionFramesFigure } from "../../lib/report/figures/attention";
import { relationFigure } from "../../lib/report/figures/relations";
import { sceneFigure } from "../../lib/report/figures/scene";
import { reportPage } from "../../lib/report/page";
import { sampleAttention, samplePredictions, sampleRow, sampleRows } from "./sample";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-export-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const rows = sampleRows([0, 1], ["full", "no-mpe", "frames-4"]);
const flat = relationFigure(rows);
const solid = sceneFigure({
  sceneId: "scene0000_00",
  source: "S2-Rooms (synthetic)",
  sentence: "</script><b>bold</b>",
  boxes: [{ box: [0, 0, 0, 1, 1, 1], label: "chair", role: "target" }],
});
const input = {
  rows,
  answersOf: (r: (typeof rows)[number]) => samplePredictions(r.variant, r.seed),
  training: [],
  warnings: [],
  extra: [solid],
  explorers: [{ name: "Answers of <b>full</b>", file: "explore-answers.html" }],
};

test("JSON in a script cannot end it", () => {
  expect(scriptJson({ a: "</script>\u2028" })).toBe('{"a":"\\u003c/script>\\u2028"}');
  expect(JSON.parse(scriptJson({ a: "</script>\u2028" }))).toEqual({ a: "</script>\u2028" });
});

test("the same figure gives the same bytes, whatever the order of its keys", () => {
  const swapped = {
    ...flat,
    layout: { ...Object.fromEntries(Object.entries(flat.layout).reverse()), meta: flat.layout.meta },
  };
  expect(figureJson(swapped)).toBe(figureJson(flat));
  expect(JSON.parse(figureJson(flat))).toEqual(JSON.parse(JSON.stringify({ data: flat.data, layout: flat.layout })));
});

test("pages are deterministic, self-contained and escape what they show", () => {
  const page = reportPage(input);
  expect(reportPage(input)).toBe(page);
  expect(page).not.toMatch(/(?:src|href)="(?:https?:|\/\/|file:)/);
  expect(page).not.toContain("<b>bold</b>");
  expect(page).toContain("synthetic data");
  expect(page).toContain("Departures from the paper");
});

test("without any run the page says so", () => {
  const page = reportPage({
    rows: [],
    answersOf: () => undefined,
    training: [],
    warnings: ["the grounding head has collapsed"],
    extra: [],
    explorers: [],
  });
  expect(page).toContain("no finished run yet");
  expect(page).toContain("No run has finished yet: npm start");
  expect(page).toContain("the grounding head has collapsed");
});

test("without a Chromium, JSON and HTML are saved and one line says what is missing", async () => {
  const before = process.env.S2_CHROMIUM;
  process.env.S2_CHROMIUM = join(folder, "absent");
  try {
    const saved = await saveFigures([flat], join(folder, "out"));
    expect(readdirSync(join(folder, "out")).sort()).toEqual(["by-relation.html", "by-relation.json"]);
    expect(saved.skipped).toBe(noChromium);
  } finally {
    if (before === undefined) delete process.env.S2_CHROMIUM;
    else process.env.S2_CHROMIUM = before;
  }
});

const path = findChromium();
// continuous integration must have one: there the tests run, and fail, without it
describe.skipIf(path === undefined && process.env.CI !== "true")(
  "with a Chromium (left out where there is none on PATH or in S2_CHROMIUM)",
  () => {
    test("figures are saved as PNG too, twice their size, in 256 colours; views of a scene at their size", async () => {
      const views = attentionFramesFigure(sampleAttention());
      const saved = await saveFigures([flat, solid, views], folder);
      expect(saved.skipped).toBeUndefined();
      for (const [figure, scale] of [
        [flat, 2],
        [solid, 2],
        [views, 1],
      ] as const) {
        const png = readFileSync(join(folder, `${figure.name}.png`));
        expect(png.subarray(1, 4).toString()).toBe("PNG");
        expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([scale * 900, scale * figure.layout.height!]);
        // colour type 3: a palette
        expect(png[25]).toBe(3);
      }
      expect(readdirSync(folder).filter((f) => f.endsWith(".tmp"))).toEqual([]);
    }, 600_000);

    test("the report and a figure's own page draw everything without an error, on laptop and phone", async () => {
      const { writeFileAtomic } = await import("../../lib/core/files");
      writeFileAtomic(join(folder, "report.html"), reportPage(input));
      writeFileAtomic(join(folder, "figure.html"), figureHtml(flat));
      expect(path, "a Chromium on PATH or in S2_CHROMIUM").toBeDefined();
      const { chromium } = await import("playwright-core");
      const browser = await chromium.launch({
        executablePath: path!,
        args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
      });
      try {
        for (const [file, width, colorScheme] of [
          ["report.html", 1280, "light"],
          ["report.html", 390, "dark"],
          ["figure.html", 900, "light"],
        ] as const) {
          const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
          const errors: string[] = [];
          page.on("pageerror", (error) => errors.push(error.message));
          page.on("console", (message) => void (message.type() === "error" && errors.push(message.text())));
          // software drawing on a busy machine
          await page.goto(pathToFileURL(join(folder, file)).href, { timeout: 120_000 });
          await page.waitForSelector("html[data-drawn=yes]", { timeout: 120_000 });
          const expected = file === "figure.html" ? 1 : await page.locator(".plot").count();
          expect(expected).toBeGreaterThan(file === "figure.html" ? 0 : 3);
          expect(await page.locator(".plot .main-svg").count()).toBeGreaterThanOrEqual(expected);
          expect(
            await page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
            "no sideways scrolling",
          ).toBe(true);
          expect(errors).toEqual([]);
          await page.close();
        }
      } finally {
        await browser.close();
      }
    }, 600_000);
  },
);

test("the sample rows are marked as such", () => {
  expect(sampleRow()).toMatchObject({ commit: "sample", engine: "none" });
  expect(existsSync(join(process.cwd(), "data", "results", "sample"))).toBe(false);
});
