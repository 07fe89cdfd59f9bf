import { describe, expect, test } from "vitest";
import type { Box } from "../../lib/geometry/box";
import { compareRows } from "../../lib/report/compare";
import { ablationFigure } from "../../lib/report/figures/ablation";
import { attentionFramesFigure, attentionMatrixFigure, meanOverHeads } from "../../lib/report/figures/attention";
import { errorFigure } from "../../lib/report/figures/errors";
import { frameCountFigure } from "../../lib/report/figures/frames";
import { relationFigure } from "../../lib/report/figures/relations";
import { boxEdges, pointmapFigure, sceneFigure } from "../../lib/report/figures/scene";
import { dataLabel, type Figure } from "../../lib/report/figures/theme";
import { smooth, trainingFigure } from "../../lib/report/figures/training";
import { table5 } from "../../lib/report/paper";
import fc from "../setup/fast-check";
import { sampleAttention, samplePredictions, sampleRow, sampleRows } from "./sample";

const rows = sampleRows();
const attention = sampleAttention();
const training = [
  {
    label: "full-s0",
    source: "S2-Rooms (synthetic)",
    metrics: Array.from({ length: 8 }, (_, i) => ({ step: i, seconds: i, ground: 3 - 0.2 * i, recon: 1 - 0.1 * i })),
  },
];

const figures: Figure[] = [
  ablationFigure(
    compareRows(rows, table5, (r) => samplePredictions(r.variant, r.seed)),
    dataLabel(rows),
  ),
  frameCountFigure(rows),
  relationFigure(rows),
  trainingFigure(training),
  attentionFramesFigure(attention, 1),
  attentionMatrixFigure(attention),
  errorFigure({ spatial: 6, semantic: 3, detection: 1, annotation: 0 }, dataLabel(rows)),
  sceneFigure({
    sceneId: "scene0000_00",
    source: "S2-Rooms (synthetic)",
    sentence: "the chair closest to the table",
    boxes: [
      { box: [0, 0, 0.5, 1, 1, 1], label: "table", role: "anchor" },
      { box: [2, 0, 0.5, 1, 1, 1], label: "chair", role: "target" },
      { box: [4, 0, 0.5, 1, 1, 1], label: "chair", role: "predicted" },
    ],
    points: { positions: [0, 0, 0, 1, 2, 3], colours: [1, 2, 3, 4, 5, 6] },
  }),
  pointmapFigure("scene0000_00", "S2-Rooms (synthetic)", { positions: [0, 0, 1] }, { positions: [0, 0, 1.1] }),
];

test.each(figures.map((f) => [f.name, f] as const))("%s is drawn as before", (_, figure) => {
  expect({ alt: figure.alt, data: figure.data, layout: figure.layout }).toMatchSnapshot();
});

test.each(figures.map((f) => [f.name, f] as const))(
  "%s says in its title that the data is synthetic, and has words for those who cannot see it",
  (_, figure) => {
    expect((figure.layout.title as { text: string }).text).toContain("S2-Rooms (synthetic)");
    expect(figure.alt.length).toBeGreaterThan(20);
  },
);

test("axes of flat figures have titles", () => {
  for (const figure of figures.filter((f) =>
    ["ablation-acc25", "frame-counts", "by-relation", "attention-matrix"].includes(f.name),
  )) {
    for (const axis of [figure.layout.xaxis, figure.layout.yaxis]) {
      // categories name themselves
      if (["ablation-acc25", "by-relation"].includes(figure.name) && axis === figure.layout.yaxis) continue;
      expect((axis!.title as { text: string }).text.length, figure.name).toBeGreaterThan(3);
    }
  }
});

test.each([
  ["ablation", () => ablationFigure([], "none"), "needs finished runs of “full” and at least one ablation"],
  ["frames", () => frameCountFigure([]), "needs finished runs with at least two frame counts"],
  ["relations", () => relationFigure([]), "needs finished runs of full, no-mpe"],
  ["training", () => trainingFigure([]), "needs the metrics.jsonl of a training run"],
  ["errors", () => errorFigure({ spatial: 0, semantic: 0, detection: 0, annotation: 0 }, "none"), "no wrong answer"],
])("without data, %s says what it needs", (_, make, message) => {
  expect(make().alt).toContain(message);
});

describe("ablation", () => {
  test("divides what differs from what is within or undecided, draws every seed, and keeps the paper's values", () => {
    const [differs, undecided, seeds, paper] = figures[0]!.data as { y: number[]; x: number[]; text?: string[] }[];
    const names = (figures[0]!.layout.yaxis as { ticktext: string[] }).ticktext.map((t) => t.replaceAll("<br>", " "));
    expect(differs!.y.map((place) => names[place])).toContain("without position encoding");
    expect(undecided!.y.map((place) => names[place])).toContain("without structure attention");
    expect(seeds!.text!.filter((name) => name === "without position encoding")).toHaveLength(3);
    expect(paper!.y).toHaveLength(5);
    expect(paper!.x.map((v) => Math.round(100 * v) / 100)).toEqual([-4.78, -15.05, -0.05, -1.43, 1.41]);
  });
});

describe("attention", () => {
  test("is averaged over heads, rows sum to 1", () => {
    for (const row of meanOverHeads(attention)) expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
    const two = meanOverHeads({ ...attention, heads: 2, views: attention.views.slice(0, 1), weights: [0.2, 0.6] });
    expect(two[0]![0]).toBeCloseTo(0.4, 12);
  });

  test("sizes that disagree are an error", () => {
    expect(() => meanOverHeads({ ...attention, heads: 3 })).toThrow(
      "attention map: 3 heads and 4 views need 48 weights, got 32",
    );
    expect(() => attentionFramesFigure(attention, 9)).toThrow("attention map: view 9 is not one of 0 … 3");
  });
});

test("a box has twelve edges, each as long as its side", () => {
  const side = fc.double({ min: 0.1, max: 5, noNaN: true });
  fc.assert(
    fc.property(side, side, side, (sx, sy, sz) => {
      const { x, y, z } = boxEdges([1, -2, 3, sx, sy, sz] as Box);
      const lengths: number[] = [];
      for (let i = 0; i < x.length; i += 3)
        lengths.push(Math.hypot(x[i + 1]! - x[i]!, y[i + 1]! - y[i]!, z[i + 1]! - z[i]!));
      const expected = [sx, sy, sz].flatMap((s) => [s, s, s, s]).sort((a, b) => a - b);
      expect(lengths).toHaveLength(12);
      lengths.sort((a, b) => a - b).forEach((l, i) => expect(l).toBeCloseTo(expected[i]!, 9));
    }),
  );
});

test("the running mean looks back", () => {
  expect(smooth([2, 4, 6, 8], 2)).toEqual([2, 3, 5, 7]);
});

test("the label of real data does not say synthetic", () => {
  expect(dataLabel([sampleRow({ synthetic: false, data: "scannet" })])).toBe(
    "scannet, preset nano, true boxes, 1 seed",
  );
  expect(dataLabel([])).toBe("no finished run yet");
});
