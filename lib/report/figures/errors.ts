import { type ErrorKind, errorKinds } from "../../eval/errors";
import { colours, emptyFigure, type Figure, layoutOf, titleHeight, wrapped } from "./theme";

export const errorMeaning: Readonly<Record<ErrorKind, string>> = {
  spatial: "right class, wrong object",
  semantic: "wrong class",
  detection: "no box offered fits the target",
};

/** How wrong answers divide, as in the paper's figure 4. */
export function errorFigure(counts: Readonly<Record<ErrorKind, number>>, source: string): Figure {
  const total = errorKinds.reduce((sum, k) => sum + counts[k], 0);
  const title = "Why answers are wrong";
  if (total === 0) return emptyFigure("errors", title, "no wrong answer in the predictions at hand", source);
  return {
    name: "errors",
    alt: `${total} wrong answers, ${source}: ${errorKinds.map((k) => `${k} ${counts[k]}`).join(", ")}.`,
    data: [
      {
        type: "bar",
        orientation: "h",
        y: errorKinds.map((k) => wrapped(errorMeaning[k], 18)),
        x: errorKinds.map((k) => counts[k]),
        text: errorKinds.map((k) => `${((100 * counts[k]) / total).toFixed(0)} %`),
        textposition: "auto",
        marker: { color: [colours.blue, colours.orange, colours.purple] },
        hovertemplate: "%{y}<br>%{x} wrong answers (%{text})<extra></extra>",
      },
    ],
    layout: layoutOf(title, `${source}; ${total} wrong answers at IoU 0.25`, {
      height: 300,
      margin: { l: 60, r: 24, t: titleHeight + 12, b: 56 },
      bargap: 0.35,
      xaxis: { title: { text: "wrong answers" } },
      yaxis: { autorange: "reversed", ticks: "" },
    }),
  };
}
