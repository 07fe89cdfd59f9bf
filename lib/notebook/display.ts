import { findChromium } from "../core/programs";
import { openPainter, type Painter } from "../report/browser";
import { scriptJson } from "../report/export";
import type { Figure } from "../report/figures/theme";
import { type Table, toHtml, toText } from "../report/table";
import { display, inNotebook, type MimeBundle } from "./mime";

export type Shown = Table | Figure;

function isFigure(item: Shown): item is Figure {
  return "layout" in item;
}

let painter: Promise<Painter> | undefined;

/** One browser for all cells of a notebook; it ends with the kernel. */
function sharedPainter(): Promise<Painter> | undefined {
  const path = findChromium();
  if (path !== undefined) painter ??= openPainter(path);
  return painter;
}

/** Live plotly where the front end can draw it, a picture elsewhere (GitHub, nbconvert), words at the least. */
async function bundleOf(item: Shown): Promise<MimeBundle> {
  if (!isFigure(item)) return { "text/html": toHtml(item), "text/plain": toText(item) };
  const { data, layout, alt } = item;
  const png = inNotebook() ? await (await sharedPainter())?.png(item) : undefined;
  // through JSON: typed arrays become plain ones, undefined disappears
  const spec = JSON.parse(scriptJson({ data, layout })) as unknown;
  return {
    "application/vnd.plotly.v1+json": spec,
    ...(png === undefined ? {} : { "image/png": png.toString("base64") }),
    "text/plain": alt,
  };
}

/** Shows tables and figures under the running cell; outside of a notebook it prints them as text. */
export async function show(...items: Shown[]): Promise<void> {
  for (const item of items) display(await bundleOf(item));
}
