import { get } from "node:http";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "../../lib/core/programs";
import { type LivePage, serveLive } from "../../lib/report/live/server";
import { type Known, LiveRun } from "../../lib/report/live/state";
import { clashingTexts, cutTexts, launchChromium, openPage } from "../setup/page-in-chromium";

const hostile = `no-<img src=x onerror=window.hit=1> "mpe" & 🪑 קרוב`;
const arms = [0, 1].flatMap((seed) => ["full", hostile].map((variant) => ({ variant, seed })));
const metrics = Array.from({ length: 1000 }, (_, step) => ({
  step,
  seconds: step,
  ground: 3 - step / 500,
  language: 2 / (1 + step),
  recon: 0.5,
}));
const known: Known = {
  accuracy: ({ variant, seed }) => (variant === "full" && seed === 0 ? 61.25 : undefined),
  training: [
    { label: "full", seed: 0, metrics },
    { label: hostile, seed: 0, metrics: metrics.slice(0, 300) },
  ],
  signatures: [`${hostile}: a collapsed head?`],
};

/** A study of four arms, two side by side: one finished, one at step 30 of 100 after 10 s, two waiting. */
function running(): LiveRun {
  const live = new LiveRun("study table5, preset nano", arms, 2);
  live.hear({ task: "prepare", done: 1, total: 2 }, 0);
  live.hear({ task: "prepare", done: 2, total: 2 }, 0);
  // resumed at step 10
  live.hear({ task: `${hostile} seed 0`, done: 10, total: 100 }, 0);
  live.hear({ task: `${hostile} seed 0`, done: 30, total: 100, note: "loss 0.41" }, 10_000);
  return live;
}

test("each arm says where it is, and how long it still takes by its own pace", () => {
  const { arms: shown, left, other } = running().state(known);
  expect(shown).toEqual([
    { variant: "full", seed: 0, state: "finished", accuracy: 61.25 },
    {
      variant: hostile,
      seed: 0,
      state: "running",
      doing: "training",
      done: 30,
      total: 100,
      note: "loss 0.41",
      // 20 steps in 10 s, 70 to go
      left: 35,
    },
    { variant: "full", seed: 1, state: "waiting" },
    { variant: hostile, seed: 1, state: "waiting" },
  ]);
  // the one that runs and two whole ones of 50 s, two side by side
  expect(left).toBe((35 + 2 * 50) / 2);
  expect(other).toBeUndefined();
});

test("an arm that the command's end interrupts is stopped, and says no more when it would be done", () => {
  const { arms: shown } = running().state(known, true);
  expect(shown.map(({ state }) => state)).toEqual(["finished", "stopped", "waiting", "waiting"]);
  expect(shown[1]).not.toHaveProperty("left");
});

test("evaluation is told from training, and an arm whose name begins another's is not mixed up with it", () => {
  const live = new LiveRun(
    "x",
    [
      { variant: "no", seed: 1 },
      { variant: "no", seed: 10 },
    ],
    1,
  );
  live.hear({ task: "no seed 10, evaluate (gt proposals)", done: 1, total: 4 }, 0);
  const nothing: Known = { accuracy: () => undefined, training: [], signatures: [] };
  const [one, ten] = live.state(nothing).arms;
  expect(one!.state).toBe("waiting");
  expect(ten).toMatchObject({ state: "running", doing: "evaluate (gt proposals)", done: 1, total: 4 });
  expect(live.state(nothing).left).toBeUndefined();
});

test("long curves are thinned, their last point stays", () => {
  const { figure } = running().state(known);
  const [curve] = figure.data as { x: number[] }[];
  expect(curve!.x.length).toBeLessThanOrEqual(400);
  expect(curve!.x.at(-1)).toBe(999);
});

describe("the server", () => {
  const hasBrowser = findChromium() !== undefined || process.env.CI === "true";
  let page: LivePage;
  let browser: Browser | undefined;
  beforeAll(async () => {
    const live = running();
    page = await serveLive((ended) => live.state(known, ended));
    if (hasBrowser) browser = await launchChromium();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await page.close();
  });

  const status = (path: string, headers: Record<string, string> = {}): Promise<number> =>
    new Promise((resolve, reject) => {
      get(new URL(path, page.address), { headers }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      }).on("error", reject);
    });

  test("listens on this machine alone, and answers to no other name", async () => {
    expect(page.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(await status("/")).toBe(200);
    expect(await status("/", { host: "evil.example" })).toBe(403);
    expect(await status("/../package.json")).toBe(404);
  });

  test("a second one takes another port", async () => {
    const second = await serveLive(() => running().state(known));
    expect(second.address).not.toBe(page.address);
    await second.close();
  });

  describe.runIf(hasBrowser)("in Chromium", () => {
    test.each([
      [1280, false],
      [390, true],
    ])("at %i px: arms, warnings and curves; names are text", { timeout: 240_000 }, async (width, dark) => {
      const { tab, errors } = await openPage(browser!, page.address, width, dark);
      expect(await tab.locator("#arms tr").count()).toBe(3);
      expect(await tab.locator("#arms").textContent()).toContain("61.3 %");
      expect(await tab.locator("#arms").textContent()).toContain("training 30/100");
      expect(await tab.locator("#status").textContent()).toBe("1 of 4 finished · about 1 min of training left");
      expect(await tab.locator("#signatures li").textContent()).toContain(hostile);
      expect(await tab.evaluate("window.hit")).toBeUndefined();
      expect(await tab.locator("#curves .main-svg").count()).toBeGreaterThan(0);
      expect(await tab.evaluate(cutTexts)).toEqual([]);
      expect(await tab.evaluate(clashingTexts)).toEqual([]);
      expect(await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      expect(errors).toEqual([]);
      if (process.env.S2_SHOTS !== undefined)
        await tab.screenshot({ path: `${process.env.S2_SHOTS}/live-${width}.png` });
      await tab.close();
    });

    test("an end is told to the page", { timeout: 120_000 }, async () => {
      const live = running();
      const own = await serveLive((ended) => live.state(known, ended));
      const { tab } = await openPage(browser!, own.address, 800);
      await own.close();
      await expect.poll(() => tab.locator("#status").textContent(), { timeout: 60_000 }).toMatch(/command has ended/);
      await tab.close();
    });
  });
});
