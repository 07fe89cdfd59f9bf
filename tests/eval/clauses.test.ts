import { afterAll, beforeAll, expect, test } from "vitest";
import { openScene } from "../../lib/datasets/scannet";
import { readSplit } from "../../lib/datasets/sentences";
import { violatedClauses } from "../../lib/eval/clauses";
import type { SceneBoxes } from "../../lib/eval/errors";
import type { Prediction } from "../../lib/runs/answers";
import { smallRooms } from "../datasets/small-rooms";

const scene: SceneBoxes = {
  sceneId: "scene0000_00",
  objects: [
    { id: 0, label: "table", box: [2, 0, 0.4, 1, 1, 0.8] },
    { id: 1, label: "chair", box: [2, 1, 0.5, 0.5, 0.5, 1] },
    { id: 2, label: "chair", box: [2, 3, 0.5, 0.5, 0.5, 1] },
    { id: 3, label: "lamp", box: [2, 0, 1, 0.3, 0.3, 0.4] },
    { id: 4, label: "lamp", box: [2, -2, 0.2, 0.3, 0.3, 0.4] },
    { id: 5, label: "sofa", box: [2, 2.2, 0.4, 2, 1, 0.8] },
  ],
  proposals: [],
};
const offered: SceneBoxes = {
  ...scene,
  proposals: [...scene.objects.map(({ box }) => ({ box })), { box: [9, 9, 9, 1, 1, 1] }],
};
const answer = (change: Partial<Prediction>): Prediction => ({
  queryId: "q",
  sceneId: scene.sceneId,
  category: "chair",
  kind: "closest",
  target: 1,
  predicted: 2,
  iou: 0,
  description: "the chair closest to the table",
  anchors: [0],
  ...change,
});
const clauses = (change: Partial<Prediction>): string[] =>
  violatedClauses(answer(change), offered).map(({ clause, text }) => `${clause}: ${text}`);

test("each relation says in numbers how the pick misses it", () => {
  expect(clauses({})).toEqual(["closest: distance to the table: 3.00 m, the right one 1.00 m"]);
  expect(clauses({ kind: "farthest", target: 2, predicted: 1 })).toEqual([
    "farthest: distance to the table: 1.00 m, the right one 3.00 m",
  ]);
  expect(clauses({ kind: "support", category: "lamp", target: 3, predicted: 4 })).toEqual([
    "support: does not stand on the table",
  ]);
  expect(clauses({ kind: "between", anchors: [0, 5] })).toEqual([
    "between: way from table to sofa over it, straight = 1: 1.73, the right one 1.00",
  ]);
  // who looks along x has y on the left
  expect(clauses({ kind: "view" })).toEqual(["view: facing the table, it lies 2.00 m to the left of the right one"]);
  expect(clauses({ kind: "view", target: 2, predicted: 1 })).toEqual([
    "view: facing the table, it lies 2.00 m to the right of the right one",
  ]);
});

test("a pick of another class is said, beside a relation only where that fails too", () => {
  expect(clauses({ predicted: 3 })).toEqual(["class: asked for chair, picked lamp"]);
  expect(clauses({ predicted: 4 })).toEqual([
    "class: asked for chair, picked lamp",
    "closest: distance to the table: 2.00 m, the right one 1.00 m",
  ]);
  expect(clauses({ predicted: 6 })[0]).toBe("class: asked for chair, picked no annotated object");
});

test("nothing is said of right answers, unknown relations, lost landmarks and no pick", () => {
  expect(clauses({ predicted: 1, iou: 1 })).toEqual([]);
  expect(clauses({ kind: "other" })).toEqual([]);
  expect(clauses({ kind: "vertical" })).toEqual([]);
  expect(clauses({ anchors: [77] })).toEqual([]);
  expect(clauses({ kind: "between", anchors: [0] })).toEqual([]);
  expect(clauses({ predicted: -1 })).toEqual([]);
});

let rooms: Awaited<ReturnType<typeof smallRooms>>;
beforeAll(async () => {
  rooms = await smallRooms();
}, 120_000);
afterAll(() => rooms.remove());

test("in made rooms every other object of the class violates the sentence, and the right one does not", () => {
  let judged = 0;
  for (const query of readSplit(rooms.folder, "scanrefer", "val", undefined).queries) {
    if (query.relation === undefined || query.relation === "attribute") continue;
    const { objects } = openScene(rooms.folder, query.sceneId);
    const boxes: SceneBoxes = { sceneId: query.sceneId, objects, proposals: objects };
    for (const object of objects.filter((o) => o.label === query.category)) {
      const about = { category: query.category, kind: query.relation, target: query.targetId, predicted: object.id };
      const found = violatedClauses(answer({ ...about, anchors: [...query.anchorIds] }), boxes);
      if (object.id === query.targetId) {
        if (query.relation !== "view") expect(found).toEqual([]);
      } else expect(found.map(({ clause }) => clause)).toEqual([query.relation]);
      judged += 1;
    }
  }
  expect(judged).toBeGreaterThan(20);
});
