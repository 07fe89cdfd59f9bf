import { readFileSync } from "node:fs";
import { findChromium } from "../core/programs";
import type { Figure } from "./figures/theme";

/** Why PNG files are left out, in one line. */
export const noChromium = "no Chromium found (PATH, S2_CHROMIUM): figures are saved as JSON and HTML, without PNG";

let plotly: Buffer | undefined;

/** plotly.js, which only runs in a browser. */
export function plotlySource(): Buffer {
  plotly ??= readFileSync(require.resolve("plotly.js-dist"));
  return plotly;
}

const flags = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--font-render-hinting=none",
];

export interface Painter {
  /**
   * PNG at twice the figure's size, or at the one that it asks for, in 256 colours: a third of the bytes, and no
   * difference to be seen.
   */
  png(figure: Figure): Promise<Buffer>;
  /** PNG of the upper part of an explorer, as a notebook's frame shows it. */
  page(html: string): Promise<Buffer>;
  close(): Promise<void>;
}

/** Opens one browser for a batch of figures: starting it takes longer than drawing. */
export async function openPainter(executablePath: string): Promise<Painter> {
  const [{ chromium }, { default: sharp }] = await Promise.all([import("playwright-core"), import("sharp")]);
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: flags,
    // an interrupt belongs to the notebook's cell, not to the browser
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  const page = await browser.newPage();
  const small = (png: Uint8Array): Promise<Buffer> => sharp(png).png({ palette: true }).toBuffer();
  await page.setContent('<!doctype html><meta charset="utf-8"><body><div id="figure"></div></body>');
  await page.addScriptTag({ content: plotlySource().toString("utf8") });
  return {
    async png({ data, layout, pngScale = 2 }) {
      const script = `(async () => {
        const { data, layout } = ${JSON.stringify({ data, layout })};
        const node = document.getElementById("figure");
        const size = { width: layout.width ?? 900, height: layout.height ?? 450 };
        await Plotly.newPlot(node, data, { ...layout, ...size }, { staticPlot: true });
        const url = await Plotly.toImage(node, { format: "png", scale: ${pngScale}, ...size });
        Plotly.purge(node);
        return url;
      })()`;
      const url = (await page.evaluate(script)) as string;
      return small(Buffer.from(url.slice(url.indexOf(",") + 1), "base64"));
    },
    async page(html) {
      const tab = await browser.newPage({ viewport: { width: 1100, height: 760 } });
      try {
        await tab.setContent(html);
        await tab.waitForFunction("document.documentElement.dataset.drawn !== undefined");
        return await small(await tab.screenshot());
      } finally {
        await tab.close();
      }
    },
    close: () => browser.close(),
  };
}

/** Runs `work` with a painter, or with undefined where there is no Chromium; the browser is closed in any case. */
export async function withPainter<T>(work: (painter: Painter | undefined) => Promise<T>): Promise<T> {
  const path = findChromium();
  const painter = path === undefined ? undefined : await openPainter(path);
  try {
    return await work(painter);
  } finally {
    await painter?.close();
  }
}
