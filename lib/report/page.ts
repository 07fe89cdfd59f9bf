import { figureElement, plotlyScript } from "./export";
import { dataLabel } from "./figures/theme";
import { type ReportInput, reportSections, type Section } from "./sections";
import { escapeHtml, toHtml } from "./table";

const style = `
:root{--ink:#1d2530;--soft:#5d6875;--line:#dfe3e8;--paper:#ffffff;--band:#f6f8fa;--accent:#0072b2;color-scheme:light}
@media (prefers-color-scheme: dark){
:root{--ink:#e6e9ed;--soft:#a3adb8;--line:#343c46;--paper:#14181d;--band:#1b2027;--accent:#6bb7e6;color-scheme:dark}
}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 Inter,"Segoe UI","Helvetica Neue",Arial,sans-serif}
main,header{max-width:1120px;margin:0 auto;padding:0 20px}
header{padding-top:40px;padding-bottom:8px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 6px}
h2{font-size:1.3rem;margin:44px 0 12px;scroll-margin-top:12px}
.lead{color:var(--soft);margin:0 0 14px}
.mark{display:inline-block;border:1px solid var(--accent);color:var(--accent);border-radius:999px;padding:1px 11px;
font-size:.85rem;margin-right:8px}
nav{display:flex;flex-wrap:wrap;gap:6px 16px;font-size:.92rem;border-bottom:1px solid var(--line);padding-bottom:14px}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
.scroll{overflow-x:auto;margin:14px 0;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:10px 12px;background:var(--band)}
th,td{padding:6px 12px;border-top:1px solid var(--line);vertical-align:top}
td{min-width:8.6em;max-width:26em}td:first-child{min-width:16em}
td[style*=right]{white-space:nowrap;min-width:0}
th{font-weight:600;color:var(--soft);white-space:nowrap}
tbody tr:hover{background:var(--band)}
.notes{color:var(--soft);font-size:.88rem;margin:0 0 18px;padding-left:20px}
figure{margin:18px 0;border:1px solid var(--line);border-radius:8px;overflow:hidden;padding:8px}
.plot{width:100%;min-height:200px}
p.text{white-space:pre-line}
footer{max-width:1120px;margin:48px auto 0;padding:18px 20px 48px;color:var(--soft);font-size:.88rem;
border-top:1px solid var(--line)}
@media (max-width:600px){
h1{font-size:1.5rem}main,header{padding-left:14px;padding-right:14px}figure{padding:0}td:first-child{min-width:11em}
}
@media print{nav{display:none}figure{break-inside:avoid}}
`;

/** Follows the reader's colour scheme and narrow screens; figures are made for white paper and a wide page. */
const script = `
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 600px)");
  const apply = () => {
    const [ink, paper, line] = dark.matches ? ["#e6e9ed", "#14181d", "#343c46"] : ["#222222", "#ffffff", "#e4e4e4"];
    for (const plot of document.querySelectorAll(".plot")) {
      const change = { "font.color": ink, paper_bgcolor: paper, plot_bgcolor: paper };
      change["title.font.size"] = narrow.matches ? 13 : 17;
      for (const key of Object.keys(plot.layout ?? {})) if (/^[xy]axis/.test(key)) change[key + ".gridcolor"] = line;
      if (plot.layout?.scene) for (const a of ["xaxis", "yaxis", "zaxis"]) change["scene." + a + ".gridcolor"] = line;
      const below = { "legend.orientation": "h", "legend.x": 0, "legend.yanchor": "top" };
      if (narrow.matches) Object.assign(change, below, { "legend.y": plot.layout?.scene ? 0 : -0.22 });
      Plotly.relayout(plot, change);
    }
  };
  apply();
  dark.addEventListener("change", apply);
  narrow.addEventListener("change", apply);
`;

/** Tables scroll sideways on their own; notes stand below in full width. */
function tableHtml(table: Section["tables"][number]): string {
  const body = toHtml({ ...table, notes: [] });
  const notes =
    table.notes.length === 0
      ? ""
      : `<ul class="notes">${table.notes.map((n) => `<li>${escapeHtml(n)}</li>`).join("")}</ul>`;
  return `<div class="scroll">${body}</div>${notes}`;
}

function sectionHtml(section: Section): string {
  const text = section.text === undefined ? "" : `<p class="text">${escapeHtml(section.text)}</p>`;
  const figures = section.figures.map((f, i) => figureElement(f, `${section.id}-${i}`));
  const heading = `<h2>${escapeHtml(section.heading)}</h2>`;
  const tables = section.tables.map(tableHtml);
  return `<section id="${section.id}">${[heading, text, ...tables, ...figures].join("")}</section>`;
}

/**
 * The report: one HTML file that needs no other file and no network. The same rows give the same bytes.
 *
 * @param sections of the input, where the caller has them already: their intervals take time
 */
export function reportPage(input: ReportInput, sections: readonly Section[] = reportSections(input)): string {
  const { rows } = input;
  const commits = [...new Set(rows.map((r) => r.commit.slice(0, 8)))];
  const synthetic = rows.some((r) => r.synthetic);
  const marks = synthetic ? '<span class="mark">synthetic data</span>' : "";
  const lead = [
    dataLabel(rows),
    `${rows.length} finished run${rows.length === 1 ? "" : "s"}`,
    ...(commits.length === 0 ? [] : [`commit ${commits.join(", ")}`]),
  ].join(" · ");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>S²-MLLM lab: report</title><link rel="icon" href="data:,"><style>${style}</style></head><body>
<header><h1>S²-MLLM lab: report</h1>
<p class="lead">${marks}${escapeHtml(lead)}</p>
<nav>${sections.map((s) => `<a href="#${s.id}">${escapeHtml(s.heading)}</a>`).join("")}</nav></header>
<main>${sections.map(sectionHtml).join("\n")}</main>
<footer>Made by <code>s2mllm report</code> from data/results and data/runs. No number on this page was typed by hand,
except the paper's own.</footer>
${plotlyScript(script)}</body></html>
`;
}
