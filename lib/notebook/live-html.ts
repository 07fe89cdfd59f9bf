import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packedPlotly, touchProgram } from "../report/export";
import { drawing, type Figure } from "../report/figures/theme";
import { escapeHtml } from "../report/table";

/** Marks the element of a figure or page; its value is a hash of what is shown. */
const mark = "data-live";
/** What is too large for a notebook that is committed: plotly.js and pages. */
const largeElement = /<script data-large>[\s\S]*?<\/script>\n?/g;
const stillElement = new RegExp(`<div ${mark}="([0-9a-f]+)">[\\s\\S]*?</div>`);

/** gzip as base64, which browsers unpack themselves, and its hash. */
function pack(text: string): { packed: string; id: string } {
  const packed = gzipSync(text, { level: 9 }).toString("base64");
  return { packed, id: createHash("sha256").update(packed).digest("hex").slice(0, 16) };
}

/** What stands where scripts may not run: the picture (a WebP file), or, without one, the words. */
function still(id: string, words: string, picture: Uint8Array | undefined): string {
  const text = escapeHtml(words);
  const source = picture && `data:image/webp;base64,${Buffer.from(picture).toString("base64")}`;
  const inside = source === undefined ? `<p>${text}</p>` : `<img alt="${text}" style="max-width:100%" src="${source}">`;
  return `<div ${mark}="${id}">${inside}</div>\n`;
}

const client = (name: string): string => readFileSync(join(__dirname, "client", `${name}.js`), "utf8");

/**
 * A figure as HTML for a notebook: its picture, and the figure itself, which plotly.js draws in the picture's place as
 * soon as the page has `libraryHtml`.
 */
export function figureHtml({ data, layout, alt }: Figure, picture?: Uint8Array): string {
  const { packed, id } = pack(JSON.stringify([data, layout, drawing]));
  return `${still(id, alt, picture)}<script>(window.labFigures ??= []).push(["${id}", "${packed}"]);</script>`;
}

/** plotly.js and what draws the figures of a page, once a page: 2.5 MB. */
export function libraryHtml(): string {
  const program = client("figures")
    .replace("TOUCH;", touchProgram)
    .replace("LIBRARY", () => `"${packedPlotly()}"`);
  return `<script data-large>${program}</script>\n`;
}

/** HTML without plotly.js and pages: pictures stand there until the cells run. */
export function withoutLarge(html: string): string {
  return html.replace(largeElement, "");
}

/** A page of its own, such as an explorer, as HTML for a notebook: its picture, which the page in a frame replaces. */
export function pageHtml(page: string, title: string, picture?: Uint8Array): string {
  const { packed, id } = pack(page);
  const values: Readonly<Record<string, string>> = { ID: id, PAGE: packed, TITLE: title };
  const program = client("page").replace(/\b(?:ID|PAGE|TITLE)\b/g, (name) =>
    JSON.stringify(values[name]).replaceAll("<", "\\u003c"),
  );
  return `${still(id, title, picture)}<script data-large>${program}</script>`;
}

/** The hash of the figure or page that some HTML of a notebook shows; undefined for other HTML. */
export function liveId(html: string): string | undefined {
  return stillElement.exec(html)?.[1];
}

/** HTML of a figure or page with the picture of an earlier run that showed the same. */
export function withPictureOf(html: string, earlier: string): string {
  const picture = stillElement.exec(earlier)?.[0];
  return picture === undefined ? html : html.replace(stillElement, () => picture);
}
