import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium } from "../../lib/core/programs";

/** Chromium with 3D drawn in software. @throws Error where there is none */
export function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("this test needs a Chromium on PATH or in S2_CHROMIUM");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  });
}

export interface OpenedPage {
  readonly tab: Page;
  /** What its console reported as errors. */
  readonly errors: string[];
}

/** Opens a page of a file or an address and waits until it says that it has drawn itself. */
export async function openPage(browser: Browser, at: string, width: number, dark = false): Promise<OpenedPage> {
  const tab = await browser.newPage({
    viewport: { width, height: 900 },
    colorScheme: dark ? "dark" : "light",
    acceptDownloads: true,
  });
  const errors: string[] = [];
  tab.on("console", (message) => void (message.type() === "error" && errors.push(message.text())));
  tab.on("pageerror", (error) => errors.push(error.message));
  // software drawing on a busy machine
  await tab.goto(/^https?:/.test(at) ? at : pathToFileURL(at).href, { timeout: 120_000 });
  await tab.waitForFunction("document.documentElement.dataset.drawn !== undefined", undefined, { timeout: 120_000 });
  return { tab, errors };
}

/** Texts that stand outside of the window, or of an element that cuts them off. */
export const cutTexts = `[...document.querySelectorAll("h1,h2,p,dt,dd,li,td,th,button,label,figcaption,summary")]
.filter((n) => {
  const box = n.getBoundingClientRect();
  if (box.width === 0 || n.closest(".scroll")) return false;
  return box.right > innerWidth + 1 ||
    n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).overflow !== "visible";
}).map((n) => n.textContent)`;

/** Texts of figures that leave their figure, or lie over one another, by their bounding boxes. */
export const clashingTexts = `[...document.querySelectorAll(".plot")].flatMap((plot) => {
  const frame = plot.getBoundingClientRect();
  const texts = [...plot.querySelectorAll("svg text")].filter((t) => t.textContent.trim() !== "")
    .map((t) => [t.textContent, t.getBoundingClientRect()]).filter(([, b]) => b.width > 0 && b.height > 0);
  const out = texts.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 ||
    b.bottom > frame.bottom + 1).map(([t]) => plot.id + ": outside: " + t);
  const over = texts.flatMap(([s, a], i) => texts.slice(i + 1).filter(([, b]) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3).map(([t]) => plot.id + ": " + s + " over " + t));
  return [...out, ...over];
})`;

/** Moves one finger, or two beside each other, over a page as a touch screen reports it. */
export async function swipe(
  tab: Page,
  fingers: 1 | 2,
  [x, y]: readonly [number, number],
  [dx, dy]: readonly [number, number],
): Promise<void> {
  const client = await tab.context().newCDPSession(tab);
  await client.send("Emulation.setTouchEmulationEnabled", { enabled: true, maxTouchPoints: 2 });
  const points = (part: number): { x: number; y: number; id: number }[] =>
    [0, 40].slice(0, fingers).map((beside, id) => ({ x: x + beside + part * dx, y: y + part * dy, id }));
  const steps = 10;
  await client.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: points(0) });
  for (let i = 1; i <= steps; i++)
    await client.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: points(i / steps) });
  await client.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await client.detach();
}

/** Waits until a page scrolls no more. */
export async function settled(tab: Page): Promise<void> {
  for (let last = NaN, now = 0; last !== now; ) {
    last = now;
    await new Promise((done) => setTimeout(done, 150));
    now = (await tab.evaluate("scrollY")) as number;
  }
}
