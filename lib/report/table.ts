export interface Column {
  readonly key: string;
  readonly label: string;
  /** Numbers stand on the right. */
  readonly numeric?: boolean;
}

/** A table ready to be read: every cell is text, rounded and marked; notes stand below it. */
export interface Table {
  readonly title: string;
  /** Stands above everything: the numbers are not what they seem. */
  readonly warning?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Readonly<Record<string, string>>[];
  readonly notes: readonly string[];
}

const cell = (row: Readonly<Record<string, string>>, key: string): string => row[key] ?? "";

/** One decimal; the minus is a real one, so columns of differences line up. */
export function decimal(value: number | undefined, digits = 1): string {
  return value === undefined ? "" : value.toFixed(digits).replace("-", "−");
}

/** With its sign: "+1.4", "−4.8", "0.0". */
export function signed(value: number | undefined, digits = 1): string {
  if (value === undefined) return "";
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value > 0 ? "+" : "−"}${text}`;
}

export function toText(table: Table): string {
  const widths = table.columns.map((c) => Math.max(c.label.length, ...table.rows.map((r) => cell(r, c.key).length)));
  const line = (texts: readonly string[]): string =>
    texts
      .map((t, i) => (table.columns[i]!.numeric === true ? t.padStart(widths[i]!) : t.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [
    ...(table.warning === undefined ? [] : [table.warning]),
    table.title,
    line(table.columns.map((c) => c.label)),
    widths.map((w) => "─".repeat(w)).join("  "),
    ...table.rows.map((r) => line(table.columns.map((c) => cell(r, c.key)))),
    ...table.notes.map((n) => `· ${n}`),
  ].join("\n");
}

export function toMarkdown(table: Table): string {
  const escape = (t: string): string => t.replaceAll("|", "\\|");
  const line = (texts: readonly string[]): string => `| ${texts.map(escape).join(" | ")} |`;
  return [
    ...(table.warning === undefined ? [] : [`**${table.warning}**`, ""]),
    `**${table.title}**`,
    "",
    line(table.columns.map((c) => c.label)),
    `|${table.columns.map((c) => (c.numeric === true ? "---:" : "---")).join("|")}|`,
    ...table.rows.map((r) => line(table.columns.map((c) => cell(r, c.key)))),
    ...(table.notes.length === 0 ? [] : ["", ...table.notes.map((n) => `- ${n}`)]),
  ].join("\n");
}

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (c) => entities[c]!);
}

export function toHtml(table: Table): string {
  const align = (c: Column): string => (c.numeric === true ? ' style="text-align:right"' : ' style="text-align:left"');
  const head = table.columns.map((c) => `<th${align(c)}>${escapeHtml(c.label)}</th>`).join("");
  const body = table.rows.map(
    (r) => `<tr>${table.columns.map((c) => `<td${align(c)}>${escapeHtml(cell(r, c.key))}</td>`).join("")}</tr>`,
  );
  const notes =
    table.notes.length === 0 ? "" : `<ul>${table.notes.map((n) => `<li>${escapeHtml(n)}</li>`).join("")}</ul>`;
  const caption = `<caption>${escapeHtml(table.title)}</caption>`;
  const warning = table.warning === undefined ? "" : `<p><strong>${escapeHtml(table.warning)}</strong></p>`;
  return `${warning}<table>${caption}<thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table>${notes}`;
}
