import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { touchProgram } from "../export";
import { escapeHtml } from "../table";

/** Raised when the data of a page change their form. */
const pageVersion = 2;

const programFiles = ["geometry", "elements", "views", "room", "answers", "attention", "main"] as const;

/** The program of a page: plain JavaScript for browsers, without a library, the same in every page. */
function program(): string {
  const read = (name: string): string => readFileSync(join(__dirname, "client", `${name}.js`), "utf8");
  const files = [touchProgram(), ...programFiles.map(read)];
  return `(() => {\n"use strict";\nconst pageVersion = ${pageVersion};\n${files.join("\n")}\n})();`;
}

/** An explorer: `page` is a whole HTML file; notebooks show it in a frame. */
export interface Explorer {
  readonly title: string;
  readonly page: string;
}

/** What every explorer page says of itself. */
export interface PageHead {
  readonly title: string;
  /** The data and runs behind it, such as "S2-Rooms (synthetic), preset nano". */
  readonly source: string;
  readonly synthetic: boolean;
}

/**
 * An explorer as one HTML file that needs no other file and no network.
 *
 * @param data of the page, `kind` naming which explorer it opens
 */
export function explorerPage(head: PageHead, data: { readonly kind: "answers" | "attention" }): string {
  const packed = gzipSync(JSON.stringify({ version: pageVersion, ...data }), { level: 9 }).toString("base64");
  const badge = head.synthetic ? '<span class="badge">synthetic data</span>' : "";
  const style = ["../base.css", "style.css"].map((name) => readFileSync(join(__dirname, name), "utf8")).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(head.title)}</title><link rel="icon" href="data:,"><style>${style}</style></head><body>
<header><h1>${escapeHtml(head.title)}</h1><p class="lead">${badge}<bdi>${escapeHtml(head.source)}</bdi></p></header>
<main id="explorer"></main>
<script type="text/plain" id="data">${packed}</script>
<script>${program()}</script></body></html>
`;
}
