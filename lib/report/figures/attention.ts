import { UserError } from "../../core/errors";
import type { AttentionMap } from "../../runs/attention";
import { colours, emptyFigure, type Figure, layoutOf, scale, shortened, sourceOf, titleHeight } from "./theme";

/** Whose attention it is, for a subtitle. */
function whose(data: AttentionMap): string {
  return `${sourceOf(data)}, ${data.sceneId}, ${data.label}, ${data.preset}, seed ${data.seed}`;
}

/** Mean over heads. @throws UserError when sizes disagree */
export function meanOverHeads({ weights, heads, views }: AttentionMap): number[][] {
  const V = views.length;
  if (weights.length !== heads * V * V) {
    throw new UserError(
      `attention map: ${heads} heads and ${V} views need ${heads * V * V} weights, got ${weights.length}`,
    );
  }
  return Array.from({ length: V }, (_, q) =>
    Array.from({ length: V }, (_, k) => {
      let sum = 0;
      for (let h = 0; h < heads; h++) sum += weights[(h * V + q) * V + k]!;
      return sum / heads;
    }),
  );
}

/** The frames in a row, the patch marked, each with the attention that `asking` pays to it. */
export function attentionFramesFigure(data: AttentionMap, asking = 0): Figure {
  const V = data.views.length;
  if (V === 0) return emptyFigure("attention-frames", "Inter-view attention", "the scene has no view");
  const row = meanOverHeads(data)[asking];
  if (row === undefined) throw new UserError(`attention map: view ${asking} is not one of 0 … ${V - 1}`);
  const columns = Math.min(V, 4);
  const rows = Math.ceil(V / columns);
  const gap = 0.06;
  const strongest = Math.max(...row);
  const left = (i: number): number => i % columns;
  const top = (i: number): number => rows - Math.floor(i / columns);
  const cell = (1 - gap) / data.grid;
  const px = (i: number): number => left(i) + (data.patch % data.grid) * cell;
  const py = (i: number): number => top(i) - Math.floor(data.patch / data.grid) * cell;
  return {
    name: "attention-frames",
    // the views are small pictures: more pixels would show nothing more
    pngScale: 1,
    alt:
      `Attention of patch ${data.patch} in view ${data.views[asking]!.frame} of ${data.sceneId} ` +
      "to the same patch in the other views.",
    data: [
      {
        type: "scatter",
        mode: "text",
        x: data.views.map((_, i) => left(i) + 0.02),
        y: data.views.map((_, i) => top(i) - 1 + gap + 0.02),
        text: row.map((w, i) => {
          const share = `${(100 * w).toFixed(0)} %${i === asking ? " (asks)" : ""}`;
          return `${shortened(data.views[i]!.frame, 10)}<br>${share}`;
        }),
        textposition: "top right",
        textfont: { color: "#FFFFFF", size: 13, shadow: "0 0 4px #000, 0 0 4px #000" },
        hoverinfo: "skip",
        showlegend: false,
      } as Figure["data"][number],
    ],
    layout: layoutOf("Where a patch looks across views", `${whose(data)}; frame width: share of attention`, {
      height: 110 + rows * 220,
      xaxis: { visible: false, range: [0, columns], fixedrange: true },
      yaxis: { visible: false, range: [0, rows], scaleanchor: "x", fixedrange: true },
      images: data.views.flatMap(({ image }, i) =>
        image === undefined
          ? []
          : [
              {
                source: image,
                xref: "x" as const,
                yref: "y" as const,
                x: left(i),
                y: top(i),
                sizex: 1 - gap,
                sizey: 1 - gap,
                sizing: "stretch" as const,
                layer: "below" as const,
              },
            ],
      ),
      shapes: data.views.flatMap((_, i) => [
        {
          type: "rect" as const,
          x0: left(i),
          x1: left(i) + 1 - gap,
          y0: top(i),
          y1: top(i) - 1 + gap,
          line: {
            color: i === asking ? colours.red : colours.blue,
            width: i === asking ? 3 : 1 + (7 * row[i]!) / strongest,
          },
        },
        {
          type: "rect" as const,
          x0: px(i),
          x1: px(i) + cell,
          y0: py(i),
          y1: py(i) - cell,
          line: { color: colours.orange, width: 2 },
        },
      ]),
      margin: { l: 10, r: 10, t: titleHeight + 12, b: 10 },
    }),
  };
}

/** The whole map: row = the asking view, column = the view looked at. */
export function attentionMatrixFigure(data: AttentionMap): Figure {
  const frames = data.views.map((v) => shortened(v.frame, 10));
  const z = meanOverHeads(data).map((r) => r.map((w) => 100 * w));
  return {
    name: "attention-matrix",
    alt: `Inter-view attention of patch ${data.patch} in ${data.sceneId}, mean of ${data.heads} heads.`,
    data: [
      {
        type: "heatmap",
        z,
        x: frames,
        y: frames,
        colorscale: scale,
        zmin: 0,
        colorbar: { title: { text: "attention (%)" }, thickness: 14 },
        hovertemplate: "view %{y} looks at %{x}: %{z:.1f} %<extra></extra>",
      },
    ],
    layout: layoutOf(
      "Inter-view attention of one patch",
      `${whose(data)}, patch ${data.patch}, mean of ${data.heads} heads; ` +
        `even attention would be ${(100 / Math.max(1, frames.length)).toFixed(1)} %`,
      {
        xaxis: { title: { text: "view looked at (frame)" }, type: "category" },
        yaxis: { title: { text: "asking view (frame)" }, type: "category", autorange: "reversed", scaleanchor: "x" },
      },
    ),
  };
}
