import type { ColumnTable } from "arquero";
import { findChromium } from "../core/programs";
import { openPainter, type Painter } from "../report/browser";
import type { Explorer } from "../report/explorer/page";
import type { Figure } from "../report/figures/theme";
import { type Table, toHtml, toText } from "../report/table";
import { currentContext, runInContext } from "./kernel/context";
import { figureHtml, libraryHtml, pageHtml } from "./live-html";
import { display, inNotebook, type MimeBundle } from "./mime";

/**
 * What can be shown: tables, figures, explorers, arquero tables, pictures (bytes of a PNG or JPEG file), HTML and
 * Markdown.
 */
export type Shown =
  | Table
  | Figure
  | Explorer
  | ColumnTable
  | Uint8Array
  | { readonly html: string }
  | { readonly markdown: string }
  | { readonly [jupyterDisplay]: () => MimeBundle | Promise<MimeBundle> };

/** Deno's convention: an object's method of this name gives its MIME bundle. */
const jupyterDisplay = Symbol.for("Jupyter.display");
/** Rows of an arquero table that are shown. */
const maxRows = 50;

let painter: Promise<Painter> | undefined;

/** One browser for all cells of a notebook; it ends with the kernel, and belongs to no cell that could be stopped. */
function sharedPainter(): Promise<Painter> | undefined {
  const path = findChromium();
  if (path !== undefined) painter ??= runInContext(undefined, () => openPainter(path));
  return painter;
}

const has = <K extends string>(value: object, ...keys: K[]): value is Record<K, unknown> =>
  keys.every((key) => key in value);

function isFigure(value: object): value is Figure {
  return has(value, "layout", "data", "alt") && Array.isArray(value.data);
}

function isExplorer(value: object): value is Explorer {
  return has(value, "title", "page") && typeof value.title === "string" && typeof value.page === "string";
}

function isTable(value: object): value is Table {
  return has(value, "title", "columns", "rows", "notes") && Array.isArray(value.columns) && Array.isArray(value.rows);
}

function isColumnTable(value: object): value is ColumnTable {
  return has(value, "toHTML", "numRows", "objects") && typeof value.toHTML === "function";
}

/** MIME type of a picture by its first bytes. */
function pictureType(bytes: Uint8Array): string | undefined {
  const starts = (...first: number[]): boolean => first.every((byte, i) => bytes[i] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47)) return "image/png";
  return starts(0xff, 0xd8, 0xff) ? "image/jpeg" : undefined;
}

/** Of each notebook, the code of the cell that shows plotly.js, and its run that did. */
const libraries = new WeakMap<object, { readonly code: string; readonly run: string }>();

/** Whether a cell's next figure has plotly.js with it: the first one of a notebook, and of that cell run again. */
function bringsLibrary(): boolean {
  const cell = currentContext();
  if (cell === undefined) return false;
  const { code, id: run, notebook } = cell;
  const library = libraries.get(notebook);
  if (library !== undefined && (library.code !== code || library.run === run)) return false;
  libraries.set(notebook, { code, run });
  return true;
}

/** A picture of a figure or page, as PNG for programs that read no HTML and smaller within HTML. */
async function pictures(draw: (painter: Painter) => Promise<Buffer>): Promise<{ png?: string; webp?: Buffer }> {
  const painter = await sharedPainter();
  if (painter === undefined) return {};
  const [png, { default: sharp }] = await Promise.all([draw(painter), import("sharp")]);
  return { png: png.toString("base64"), webp: await sharp(png).webp({ quality: 70 }).toBuffer() };
}

/** Drawn by plotly.js where the page may run scripts, a picture elsewhere (untrusted, GitHub), words at the least. */
export async function figureBundle(figure: Figure): Promise<MimeBundle> {
  const { alt } = figure;
  if (!inNotebook()) return { "text/plain": alt };
  const first = bringsLibrary();
  const { png, webp } = await pictures((painter) => painter.png(figure));
  return {
    "text/html": `${first ? libraryHtml() : ""}${figureHtml(figure, webp)}`,
    ...(png === undefined ? {} : { "image/png": png }),
    "text/plain": alt,
  };
}

/** An explorer in a frame where the page may run scripts, its picture elsewhere, its table or title at the least. */
async function explorerBundle(explorer: Explorer): Promise<MimeBundle> {
  const { page, title } = explorer;
  const words = isTable(explorer) ? toText(explorer) : title;
  if (!inNotebook()) return { "text/plain": words };
  const { png, webp } = await pictures((painter) => painter.page(page));
  return {
    "text/html": pageHtml(page, title, webp),
    ...(png === undefined ? {} : { "image/png": png }),
    "text/plain": words,
  };
}

/** The MIME bundle of what the lab knows how to show; undefined for any other value. */
export async function richBundle(value: object): Promise<MimeBundle | undefined> {
  const own = (value as Record<symbol, unknown>)[jupyterDisplay];
  if (typeof own === "function") return (await own.call(value)) as MimeBundle;
  if (value instanceof Uint8Array) {
    const type = pictureType(value);
    if (type === undefined) return undefined;
    return { [type]: Buffer.from(value).toString("base64"), "text/plain": `${type}, ${value.length} bytes` };
  }
  if (isFigure(value)) return figureBundle(value);
  if (isExplorer(value)) return explorerBundle(value);
  if (isTable(value)) return { "text/html": toHtml(value), "text/plain": toText(value) };
  if (isColumnTable(value)) {
    const rows = value.numRows();
    const more = rows > maxRows ? `\n${rows - maxRows} more rows` : "";
    const text = `${value.toMarkdown({ limit: maxRows })}${more}`;
    return {
      "text/html": `${value.toHTML({ limit: maxRows })}${more === "" ? "" : `<p>${more}</p>`}`,
      "text/plain": text,
    };
  }
  if (has(value, "html") && typeof value.html === "string")
    return { "text/html": value.html, "text/plain": value.html };
  if (has(value, "markdown") && typeof value.markdown === "string")
    return { "text/markdown": value.markdown, "text/plain": value.markdown };
  return undefined;
}

/**
 * Shows things under the running cell; outside of a notebook it prints them as text.
 *
 * @throws TypeError for bytes that are no PNG or JPEG file, and for objects that are none of `Shown`
 */
export async function show(...items: Shown[]): Promise<void> {
  for (const item of items) {
    const bundle = await richBundle(item);
    if (bundle === undefined) {
      const what = item instanceof Uint8Array ? `${item.length} bytes that are no PNG or JPEG file` : typeof item;
      throw new TypeError(
        `show takes tables, figures, explorers, PNG or JPEG bytes, { html } and { markdown }; got ${what}`,
      );
    }
    display(bundle);
  }
}
