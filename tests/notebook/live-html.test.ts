import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "../../lib/core/programs";
import { figureHtml, libraryHtml, liveId, pageHtml, withoutLarge, withPictureOf } from "../../lib/notebook/live-html";
import type { Figure } from "../../lib/report/figures/theme";
import { launchChromium, settled, swipe } from "../setup/page-in-chromium";

const hostile = `</script><img src=x onerror="window.hit=1"> "quotes" קרוב 🪑`;
const figure = (name: string): Figure => ({
  name,
  alt: `${name}: ${hostile}`,
  data: [{ x: [1, 2], y: [3, 4], name: hostile, type: "scatter" }],
  layout: { title: { text: name }, height: 300 },
});
const picture = new Uint8Array([1, 2, 3]);

test("the same figure gives the same bytes and another one another id, and no text of it becomes markup", () => {
  const html = figureHtml(figure("a"), picture);
  expect(figureHtml(figure("a"), picture)).toBe(html);
  expect(liveId(html)).not.toBe(liveId(figureHtml(figure("b"), picture)));
  for (const text of [html, pageHtml(`<p>${hostile}</p>`, hostile)]) {
    expect(text).not.toContain("<img src=x");
    expect(text.match(/<script/g)).toHaveLength(1);
    expect(text.match(/<\/script>/g)).toHaveLength(1);
  }
});

test("without the library a figure is some kilobytes, and an earlier picture of it can stand in", () => {
  const whole = libraryHtml() + figureHtml(figure("a"));
  expect(whole.length).toBeGreaterThan(2e6);
  expect(withoutLarge(whole)).toBe(figureHtml(figure("a")));
  const drawn = figureHtml(figure("a"), picture);
  expect(withPictureOf(whole, drawn)).toBe(libraryHtml() + drawn);
  expect(withPictureOf(figureHtml(figure("a")), libraryHtml() + drawn)).toBe(drawn);
  const page = pageHtml("<p>long</p>", "a page", picture);
  expect(withoutLarge(page)).toMatch(/^<div data-live="[0-9a-f]+"><img [^>]*><\/div>\n$/);
  expect(withPictureOf(pageHtml("<p>long</p>", "a page"), withoutLarge(page))).toBe(page);
});

const chromiumPath = findChromium();

describe.skipIf(chromiumPath === undefined && process.env.CI !== "true")(
  "in a page (left out where there is no Chromium)",
  () => {
    let browser: Browser;
    let folder: string;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "s2-live-"));
      browser = await launchChromium();
    }, 60_000);
    afterAll(async () => {
      await browser?.close();
      rmSync(folder, { recursive: true });
    });

    async function open(body: string): Promise<{ tab: Page; errors: string[] }> {
      const file = join(folder, "page.html");
      writeFileSync(file, `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body>${body}</body>`);
      const tab = await browser.newPage();
      const errors: string[] = [];
      tab.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      tab.on("pageerror", (error) => errors.push(error.message));
      await tab.goto(pathToFileURL(file).href);
      return { tab, errors };
    }
    const drawn = (tab: Page): Promise<number> => tab.locator(".js-plotly-plot .main-svg").count();

    test("figures before and after the library are drawn, one that is shown twice in both places", async () => {
      const [a, b] = [figureHtml(figure("a")), figureHtml(figure("b"))];
      // a page with a module loader, as classic Jupyter has one, must not catch plotly.js
      const loader = "<script>window.define = () => { window.hit = 2; }; window.define.amd = {};</script>";
      const { tab, errors } = await open(`${loader}${a}${libraryHtml()}${b}${a}`);
      await tab.waitForFunction("document.querySelectorAll('.js-plotly-plot').length === 3");
      expect(await drawn(tab)).toBeGreaterThanOrEqual(3);
      expect(await tab.evaluate("window.hit")).toBeUndefined();
      expect(errors).toEqual([]);
      await tab.close();
    });

    test("one finger on a 3D figure scrolls the notebook, two turn the figure", { timeout: 120_000 }, async () => {
      const room: Figure = {
        name: "room",
        alt: "a room",
        data: [{ x: [0, 1, 2], y: [0, 1, 0], z: [0, 2, 1], type: "scatter3d", mode: "markers" }],
        layout: { title: { text: "room" }, height: 400 },
      };
      const long = '<p style="height:1500px">cells</p>';
      const { tab, errors } = await open(`${long}${libraryHtml()}${figureHtml(room)}${long}`);
      await tab.waitForFunction("document.querySelector('.js-plotly-plot')?._fullLayout?.scene?._scene !== undefined");
      const plot = tab.locator(".js-plotly-plot");
      await plot.evaluate((node) => node.scrollIntoView({ block: "center" }));
      const scrolled = (): Promise<number> => tab.evaluate("scrollY");
      const eye = (): Promise<string> =>
        tab.evaluate(
          "JSON.stringify(document.querySelector('.js-plotly-plot')._fullLayout.scene._scene.getCamera().eye)",
        );
      const middle = async (): Promise<[number, number]> => {
        const { x, y, width, height } = (await plot.boundingBox())!;
        return [x + width / 2, y + height / 2];
      };
      const [top, before] = [await scrolled(), await eye()];
      await swipe(tab, 1, await middle(), [0, 100]);
      await expect.poll(scrolled).toBeLessThan(top - 50);
      await settled(tab);
      expect(await eye()).toBe(before);
      const rest = await scrolled();
      await swipe(tab, 2, await middle(), [80, 0]);
      await expect.poll(eye).not.toBe(before);
      await settled(tab);
      expect(await scrolled()).toBe(rest);
      expect(errors).toEqual([]);
      await tab.close();
    });

    test("without the library the words stay", async () => {
      const { tab, errors } = await open(figureHtml(figure("a")));
      expect(await tab.locator("p").first().textContent()).toBe(`a: ${hostile}`);
      expect([await drawn(tab), errors]).toEqual([0, []]);
      await tab.close();
    });

    test("a page stands in a frame of its own", async () => {
      const { tab, errors } = await open(pageHtml("<!doctype html><h1>inside</h1>", hostile));
      await tab.waitForFunction("document.querySelector('iframe')?.contentDocument?.body?.innerText === 'inside'");
      expect(await tab.locator("iframe").getAttribute("title")).toBe(hostile);
      expect(errors).toEqual([]);
      await tab.close();
    });
  },
);
