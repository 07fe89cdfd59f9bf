import { type ErrorKind, errorKinds } from "../../eval/errors";
import { colours, emptyFigure, type Figure, layoutOf, titleHeight, wrapped } from "./theme";

export const errorMeaning: Readonly<Record<ErrorKind, string>> = {
  spatial: "right class, wrong object",
  semantic: "wrong class",
  detection: "no box offered fits the target",
  annotation: "right; the annotation is wrong",
};

/** How wrong answers divide, as in the paper's figure 4. */
export function errorFigure(counts: Readonly<Record<ErrorKind, number>>, source: string): Figure {
  // annotations are known to be wrong only where that was planted
  const kinds = errorKinds.filter((k) => k !== "annotation" || counts[k] > 0);
  const total = kinds.reduce((sum, k) => sum + counts[k], 0);
  const title = "Why answers are wrong";
  if (total === 0) return emptyFigure("errors", title, "no wrong answer in the predictions at hand", source);
  return {
    name: "errors",
    alt: `${total} wrong answers, ${source}: ${kinds.map((k) => `${k} ${counts[k]}`).join(", ")}.`,
    data: [
      {
        type: "bar",
        orientation: "h",
        y: kinds.map((k) => wrapped(errorMeaning[k], 18)),
        x: kinds.map((k) => counts[k]),
        text: kinds.map((k) => `${((100 * counts[k]) / total).toFixed(0)} %`),
        textposition: "auto",
        marker: { color: [colours.blue, colours.orange, colours.purple, colours.green].slice(0, kinds.length) },
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
