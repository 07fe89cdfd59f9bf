import { readFileSync } from "node:fs";
import { join } from "node:path";
import { figureElement, plotlyScript } from "./export";
import { type ReportInput, reportSections, type Section } from "./sections";
import { reportSummary, type Summary } from "./summary";
import { escapeHtml, type Table, toHtml } from "./table";

const read = (name: string): string => readFileSync(join(__dirname, "page", name), "utf8");

/** Tables scroll sideways on their own; notes stand below in full width. */
function tableHtml(table: Table): string {
  const body = toHtml({ ...table, notes: [] });
  const notes =
    table.notes.length === 0
      ? ""
      : `<ul class="notes">${table.notes.map((n) => `<li>${escapeHtml(n)}</li>`).join("")}</ul>`;
  return `<div class="scroll" tabindex="0">${body}</div>${notes}`;
}

function sectionHtml({ id, heading, text, tables, figures, details, links = [] }: Section): string {
  return [
    `<section id="${id}"><h2>${escapeHtml(heading)}</h2>`,
    text === undefined ? "" : `<p class="text">${escapeHtml(text)}</p>`,
    links.length === 0
      ? ""
      : `<ul class="links">${links
          .map(({ name, file }) => `<li><a href="${encodeURIComponent(file)}">${escapeHtml(name)}</a></li>`)
          .join("")}</ul>`,
    ...tables.map(tableHtml),
    ...figures.map((figure, i) => figureElement(figure, `${id}-${i}`)),
    details === undefined
      ? ""
      : `<details><summary>${escapeHtml(details.summary)}</summary>${details.tables.map(tableHtml).join("")}</details>`,
    "</section>",
  ].join("");
}

function summaryHtml({ question, verdicts, figure, basis, synthetic }: Summary): string {
  const mark = synthetic ? '<span class="mark">synthetic data</span>' : "";
  const lines = verdicts.map(
    ({ component, verdict, text }) =>
      `<li><b>${escapeHtml(component)}: ${escapeHtml(verdict)}.</b> <span>${escapeHtml(text)}</span></li>`,
  );
  return `<header><p class="kind">S²-MLLM lab: report</p><h1>${escapeHtml(question)}</h1>
<p class="lead">${mark}${escapeHtml(basis)}</p></header>
<section id="summary"><ul class="verdicts">${lines.join("")}</ul>${figureElement(figure, "summary-0")}</section>`;
}

/**
 * The report: one HTML file that needs no other file and no network. The same rows give the same bytes.
 *
 * @param sections of the input, where the caller has them already: their intervals take time
 */
export function reportPage(
  input: ReportInput,
  sections: readonly Section[] = reportSections(input),
  summary = reportSummary(input),
): string {
  const { rows } = input;
  const commits = [...new Set(rows.map((r) => r.commit.slice(0, 8)))].join(", ");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>S²-MLLM lab: report</title><link rel="icon" href="data:,">
<style>${read("../base.css")}${read("style.css")}</style></head><body>
<main>${summaryHtml(summary)}
<nav>${sections.map((s) => `<a href="#${s.id}">${escapeHtml(s.heading)}</a>`).join("")}</nav>
${sections.map(sectionHtml).join("\n")}</main>
<footer>Made by <code>s2mllm report</code> from data/results and data/runs: ${rows.length} rows${
    commits === "" ? "" : ` of commits ${escapeHtml(commits)}`
  }. No number on this page was typed by hand, except the paper's own.</footer>
${plotlyScript(read("adapt.js"))}</body></html>
`;
}
