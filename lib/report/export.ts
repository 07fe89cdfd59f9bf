import { join } from "node:path";
import { writeFileAtomic } from "../core/files";
import { inProject } from "../core/root";
import { noChromium, plotlySource, withPainter } from "./browser";
import { type Figure, drawing } from "./figures/theme";
import { escapeHtml } from "./table";

/** JSON that may stand inside a script element: no `<` can end it. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

function sortKeys(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>);
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).sort().map((k) => [k, sortKeys((value as Record<string, unknown>)[k])]));
}

/** The figure's source of truth: the same rows give the same bytes. */
export function figureJson({ data, layout }: Figure): string {
  return `${JSON.stringify(sortKeys({ data, layout }), undefined, 1)}\n`;
}

/** The element and the call that draw one figure in a page that has plotly. */
export function figureElement(figure: Figure, id: string): string {
  const { data, layout } = figure;
  return `<figure><div id="${id}" class="plot" role="img" aria-label="${escapeHtml(figure.alt)}"></div></figure>
<script>Plotly.newPlot(${scriptJson(id)}, ...${scriptJson([data, layout, drawing])});</script>`;
}

/** plotly.js for a page, once. */
export function plotlyScript(): string {
  return `<script>${plotlySource().replaceAll("</script", "<\\/script")}</script>`;
}

/** A page of its own with one interactive figure; needs no other file and no network. */
export function figureHtml(figure: Figure): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(figure.name)}</title><link rel="icon" href="data:,"><style>body{margin:0;font-family:sans-serif}figure{margin:0}</style>
${plotlyScript()}</head><body>
${figureElement(figure, "figure")}
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
 * @param folder figures/ unless stated
 */
export async function saveFigures(figures: readonly Figure[], folder = inProject("figures")): Promise<SavedFigures> {
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
