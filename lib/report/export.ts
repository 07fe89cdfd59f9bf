import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { writeFileAtomic } from "../core/files";
import { outputFolder } from "../runs/results";
import { noChromium, plotlySource, withPainter } from "./browser";
import { drawing, type Figure, titleHeight } from "./figures/theme";
import { escapeHtml } from "./table";

/** JSON that may stand inside a script element: no `<` can end it. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll("<", "\\u003c")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
}

function sortKeys(value: unknown): unknown {
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Float64Array);
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((k) => [k, sortKeys((value as Record<string, unknown>)[k])]),
  );
}

/** The figure's source of truth: the same rows give the same bytes. */
export function figureJson({ data, layout }: Figure): string {
  return `${JSON.stringify(sortKeys({ data, layout }), undefined, 1)}\n`;
}

/** How figures stand in a page. */
const figureStyle =
  "figure{margin:18px 0;border:1px solid var(--line,#ddd);border-radius:8px;padding:12px 12px 4px}" +
  "figcaption b{display:block}figcaption span{font-size:.86rem;opacity:.75}.plot{width:100%;min-height:160px}" +
  "@media (max-width:600px){figure{padding:8px 2px 2px}figcaption{padding:0 8px}}";

/**
 * The element of one figure, and its entry in the list that `plotlyScript` draws. Its title stands above it as text,
 * in as many lines as it needs.
 */
export function figureElement(figure: Figure, id: string): string {
  const { data, layout, alt } = figure;
  const { title: _title, meta, margin, height = 440, ...rest } = layout;
  const { title, subtitle } = meta ?? { title: figure.name, subtitle: "" };
  const top = (margin?.t ?? titleHeight) - titleHeight;
  const own = { ...rest, height: height - titleHeight, margin: { ...margin, t: Math.max(12, top) } };
  const caption = `<figcaption><b>${escapeHtml(title)}</b><span>${escapeHtml(subtitle)}</span></figcaption>`;
  const attributes = `class="plot" style="height:${own.height}px" role="img"`;
  return `<figure>${caption}<div id="${id}" ${attributes} aria-label="${escapeHtml(alt)}"></div></figure>
<script>(window.figures ??= []).push(${scriptJson([id, data, own, drawing])});</script>`;
}

let packed: string | undefined;

/** plotly.js for a page: gzip as base64, a quarter of its 10 MB, which browsers unpack themselves. */
export function packedPlotly(): string {
  return (packed ??= gzipSync(plotlySource(), { level: 9 }).toString("base64"));
}

/** The part of a page's program that leaves one finger to the page and turns what is in 3D under two. */
export function touchProgram(): string {
  return readFileSync(join(__dirname, "page", "touch.js"), "utf8");
}

/** The end of a page with figures: plotly.js, then every figure drawn and `after` run. */
export function plotlyScript(after = ""): string {
  return `<style>${figureStyle}</style><script type="text/plain" id="plotly">${packedPlotly()}</script>
<script>
(async () => {
  const bytes = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
  const source = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const script = document.createElement("script");
  script.textContent = source;
  document.head.append(script);
  ${touchProgram()}
  for (const [id, data, layout, config] of window.figures ?? [])
    turnWithTwoFingers(await Plotly.newPlot(id, data, layout, forTouch(config)));
  ${after}
  document.documentElement.dataset.drawn = "yes";
})();
</script>`;
}

/** A page of its own with one interactive figure; needs no other file and no network. */
export function figureHtml(figure: Figure): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(figure.name)}</title><link rel="icon" href="data:,">
<style>body{margin:0;padding:0 12px;font-family:Inter,"Segoe UI",Arial,sans-serif}</style>
</head><body>
${figureElement(figure, "figure")}
${plotlyScript()}
</body></html>
`;
}

export interface SavedFigures {
  readonly files: readonly string[];
  /** One line saying what was left out and why; absent when nothing was. */
  readonly skipped?: string;
}

/**
 * Saves figures as JSON, stand-alone HTML and, with a Chromium on the machine, PNG.
 *
 * @param folder data/local/report unless stated
 */
export async function saveFigures(
  figures: readonly Figure[],
  folder = outputFolder("report", false),
): Promise<SavedFigures> {
  return withPainter(async (painter) => {
    const files: string[] = [];
    const save = (file: string, content: string | Uint8Array): void => {
      writeFileAtomic(join(folder, file), content);
      files.push(join(folder, file));
    };
    for (const figure of figures) {
      save(`${figure.name}.json`, figureJson(figure));
      save(`${figure.name}.html`, figureHtml(figure));
      if (painter !== undefined) save(`${figure.name}.png`, await painter.png(figure));
    }
    return painter === undefined ? { files, skipped: noChromium } : { files };
  });
}
