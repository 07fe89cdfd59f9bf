import { expect, test } from "vitest";
import type { SceneSentences } from "../../lib/dataloader/sentences";
import type { Query, RelationKind } from "../../lib/datasets/scene";
import type { Answer } from "../../lib/eval/predict";
import { boundsOf, classesOf, scoreAnswers, scoreBySet } from "../../lib/eval/score";
import type { Box } from "../../lib/geometry/box";

const query = (targetId: number, category: string, relation: RelationKind, more: Partial<Query> = {}): Query => ({
  id: `a|${targetId}`,
  dataset: "scanrefer",
  sceneId: "a",
  targetId,
  category,
  relation,
  description: "",
  tokens: [],
  anchorIds: [],
  anchorWords: [],
  sameClass: 1,
  ...more,
});
const answer = (q: Query, iou: number): Answer => ({ query: q, chosen: 0, iou, scores: [] });

test("accuracies of answers, worked by hand", () => {
  const scores = scoreAnswers(
    [
      answer(query(1, "chair", "closest", { anchorIds: [7], sameClass: 3 }), 0.6),
      answer(query(2, "chair", "closest", { anchorIds: [8], sameClass: 3 }), 0.3),
      answer(query(3, "chair", "farthest", { anchorIds: [7], sameClass: 3, tokens: ["left"] }), 0.1),
      answer(query(4, "bed", "attribute"), 0.25),
      answer(query(5, "chair", "farthest", { anchorIds: [8], sameClass: 3 }), 0.9),
    ],
    classesOf("no/such/label-map.tsv"),
  );
  expect(scores).toEqual({
    acc25: 80,
    acc50: 40, // 4 and 2 of 5
    unique25: 100,
    unique50: 0, // the bed
    multiple25: 75,
    multiple50: 50, // 3 and 2 of 4 chairs
    easy25: 100,
    hard25: 75,
    dep25: 0,
    indep25: 100, // "left" is a view word
    byRelation: { attribute: 100, closest: 100, farthest: 50 },
    pairAccuracy: { closest: 100, farthest: 0 },
  });
});

test("answers to sentences of several sets are scored by set too", () => {
  const classOf = classesOf("no/such/label-map.tsv");
  const answers = [
    answer(query(1, "chair", "closest", { dataset: "nr3d" }), 0.6),
    answer(query(2, "chair", "closest", { dataset: "scanrefer" }), 0.3),
    answer(query(3, "chair", "closest", { dataset: "nr3d" }), 0.1),
  ];
  const bySet = scoreBySet(answers, classOf)!;
  expect(Object.entries(bySet).map(([set, { n, metrics }]) => [set, n, metrics.acc25, metrics.acc50])).toEqual([
    ["nr3d", 2, 50, 50],
    ["scanrefer", 1, 100, 0],
  ]);
  expect(scoreBySet(answers.slice(1, 2), classOf)).toBeUndefined();
});

test("a division without sentences is left out", () => {
  const scores = scoreAnswers([answer(query(4, "bed", "attribute"), 1)], classesOf("no/such/label-map.tsv"));
  expect(Object.keys(scores).sort()).toEqual([
    "acc25",
    "acc50",
    "byRelation",
    "easy25",
    "indep25",
    "pairAccuracy",
    "unique25",
    "unique50",
  ]);
});

test("bounds of guesses and of proposals, worked by hand", () => {
  const at = (x: number, size = 1): Box => [x, 0, 0, size, 1, 1];
  const scene = {
    id: "a",
    entry: {
      objects: [
        { id: 0, label: "chair", box: at(0) },
        { id: 1, label: "chair", box: at(5) },
        { id: 2, label: "bed", box: at(10) },
        { id: 3, label: "table", box: at(20) },
      ],
      // half of the first chair's width: IoU 0.5 less an epsilon; nothing near the second
      proposals: [
        { box: at(0, 0.49), label: "chair" },
        { box: at(10), label: "table" },
      ],
    },
    boxes: (source: "gt" | "detector") =>
      (source === "gt" ? scene.entry.objects : scene.entry.proposals).map((o) => o.box),
  };
  const scenes = [
    { scene, queries: [query(0, "chair", "closest"), query(1, "chair", "closest")] },
  ] as unknown as SceneSentences[];
  expect(boundsOf(scenes, "gt")).toEqual({
    baselines: { random: 25, rightClass: 50 },
    upperBound: { acc25: 100, acc50: 100 },
  });
  // proposal 0 overlaps object 0 by 0.49; object 1 has none
  expect(boundsOf(scenes, "detector")).toEqual({
    baselines: { random: 25, rightClass: 50 },
    upperBound: { acc25: 50, acc50: 0 },
  });
});
