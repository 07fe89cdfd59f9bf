import type { Config, Data, Layout } from "plotly.js-dist-min";
import type { ResultRow } from "../../runs/row";

/** What a layout keeps as `meta`: its title as plain text. */
export interface FigureMeta {
  readonly title: string;
  readonly subtitle: string;
}

/** A plotly figure with a file name and a sentence that says in words what it shows. */
export interface Figure {
  readonly name: string;
  readonly alt: string;
  readonly data: Data[];
  readonly layout: Partial<Layout> & { readonly meta?: FigureMeta };
  /** Pixels of its PNG per pixel of the layout; 2 unless stated. */
  readonly pngScale?: number;
}

/** Okabe and Ito's colours, told apart with every kind of colour vision. */
export const colours = {
  blue: "#0072B2",
  orange: "#E69F00",
  green: "#009E73",
  red: "#D55E00",
  purple: "#CC79A7",
  sky: "#56B4E9",
  grey: "#7A7A7A",
  ink: "#222222",
} as const;

export const sequence = [
  colours.blue,
  colours.orange,
  colours.green,
  colours.purple,
  colours.sky,
  colours.red,
  colours.grey,
] as const;

/** Weak to strong, one hue, readable in grey. */
export const scale: [number, string][] = [
  [0, "#F7FBFF"],
  [0.25, "#C6DBEF"],
  [0.5, "#6BAED6"],
  [0.75, "#2171B5"],
  [1, "#08306B"],
];

const axis = {
  gridcolor: "#E4E4E4",
  zerolinecolor: "#9A9A9A",
  linecolor: "#9A9A9A",
  ticks: "outside",
  tickcolor: "#9A9A9A",
  automargin: true,
} as const;

function styled(given: Partial<Layout["xaxis"]> = {}): Partial<Layout["xaxis"]> {
  const title = typeof given.title === "object" ? { title: { font: { size: 13 }, standoff: 14, ...given.title } } : {};
  return { ...axis, ...given, ...title };
}

/** Options for drawing in a page. */
export const drawing: Partial<Config> = { responsive: true, displaylogo: false };

/** A text as plotly draws it literally: some of HTML is markup to it, and %{…} a place for a value. */
export const plain = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("%{", "%&#123;");

/** The beginning of a long name. */
export const shortened = (text: string, width: number): string => {
  const characters = [...text];
  return plain(characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`);
};

/** A text in lines of about `width` characters, broken between words. */
export function wrapped(text: string, width: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = `${lines.at(-1)} ${word}`.trim();
    if (line.length <= width || lines.at(-1) === "") lines[lines.length - 1] = line;
    else lines.push(word);
  }
  return lines.map(plain).join("<br>");
}

/** Height of the title, pixels: pages write it above the figure, in lines as long as they have room for. */
export const titleHeight = 62;

/** The house style: everything that the figures share. The legend stands between title and axes. */
export function layoutOf(title: string, subtitle: string, more: Partial<Layout> = {}): Figure["layout"] {
  const { xaxis, yaxis, ...rest } = more;
  return {
    meta: { title, subtitle },
    title: {
      text: `<b>${plain(title)}</b><br><span style="font-size:13px;color:#6A6A6A">${plain(subtitle)}</span>`,
      x: 0,
      xref: "paper",
      xanchor: "left",
      y: 1 - 20 / (rest.height ?? 440),
      yref: "container",
      yanchor: "top",
      font: { size: 17 },
    },
    font: { family: "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif", size: 13, color: colours.ink },
    colorway: [...sequence],
    paper_bgcolor: "#FFFFFF",
    plot_bgcolor: "#FFFFFF",
    margin: { l: 60, r: 24, t: titleHeight + 44, b: 64 },
    legend: { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "bottom" },
    hoverlabel: { align: "left" },
    height: 440,
    ...rest,
    ...(more.scene !== undefined ? {} : { xaxis: styled(xaxis), yaxis: styled(yaxis) }),
  };
}

export const boxNames = { gt: "true boxes", detector: "detected boxes" } as const;

/** A data set in a title; synthetic data always says so. */
export function sourceOf({ data, synthetic }: Pick<ResultRow, "data" | "synthetic">): string {
  return synthetic ? "S2-Rooms (synthetic)" : data;
}

/** The data sets of some rows or runs in a title. */
export function dataTitle(rows: readonly Pick<ResultRow, "data" | "synthetic">[]): string {
  return [...new Set(rows.map(sourceOf))].join(", ");
}

/** What the numbers were measured on; that it was a data set's "val" goes without saying. */
export function dataLabel(
  rows: readonly Pick<ResultRow, "data" | "synthetic" | "split" | "preset" | "seed" | "proposals">[],
): string {
  const unique = (values: readonly string[]): string => [...new Set(values)].join(", ");
  const seeds = new Set(rows.map((r) => r.seed)).size;
  if (rows.length === 0) return "no finished run yet";
  const boxes = unique(rows.map((r) => boxNames[r.proposals]));
  const preset = unique(rows.map((r) => r.preset));
  const splits = unique(rows.map((r) => r.split));
  const split = splits === "val" ? "" : ` (${splits})`;
  return `${dataTitle(rows)}${split}, preset ${preset}, ${boxes}, ${seeds} seed${seeds === 1 ? "" : "s"}`;
}

/** A figure in place of one whose data is missing: it says what to do. */
export function emptyFigure(name: string, title: string, message: string, source = "nothing to show yet"): Figure {
  return {
    name,
    alt: `${title}: ${message}`,
    data: [],
    layout: layoutOf(title, source, {
      height: 200,
      xaxis: { visible: false },
      yaxis: { visible: false },
      annotations: [{ text: message, showarrow: false, x: 0.5, y: 0.5, xref: "paper", yref: "paper" }],
    }),
  };
}
