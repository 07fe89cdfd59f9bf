import { type ErrorKind, errorKinds } from "../../eval/errors";
import { colours, emptyFigure, type Figure, layoutOf } from "./theme";

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
        type: "pie",
        hole: 0.5,
        sort: false,
        direction: "clockwise",
        labels: errorKinds.map((k) => `${k}: ${errorMeaning[k]}`),
        values: errorKinds.map((k) => counts[k]),
        marker: { colors: [colours.blue, colours.orange, colours.purple], line: { color: "#FFFFFF", width: 2 } },
        textinfo: "value+percent",
        hovertemplate: "%{label}<br>%{value} of the wrong answers (%{percent})<extra></extra>",
      },
    ],
    layout: layoutOf(title, `${source}; ${total} wrong answers at IoU 0.25`, {
      legend: { orientation: "v", x: 1.02, y: 0.5, yanchor: "middle" },
    }),
  };
}
