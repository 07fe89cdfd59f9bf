import { expect, test } from "vitest";
import type { PreparedScene } from "../../lib/dataloader/prepared-scenes";
import { groupByScene } from "../../lib/dataloader/sentences";
import type { Query } from "../../lib/datasets/scene";
import { isEasy } from "../../lib/eval/splits";

const scene = {
  id: "a",
  entry: { objects: ["chair", "chair", "chair", "table"].map((label, id) => ({ id, label })) },
} as unknown as PreparedScene;
const query = (change: Partial<Query>): Query => ({
  id: "a|0",
  dataset: "scanrefer",
  sceneId: "a",
  targetId: 0,
  category: "chair",
  description: "",
  tokens: [],
  anchorIds: [],
  anchorWords: [],
  sameClass: 1,
  ...change,
});

test("easy and hard count the scene's objects, not only those that ScanRefer's sentences refer to", () => {
  const asked = [
    // two chairs are referred to, three stand there
    query({ targetId: 0, sameClass: 2 }),
    query({ targetId: 1, sameClass: 2 }),
    query({ targetId: 3, category: "table" }),
    // the annotation's own word for an object
    query({ targetId: 3, category: "desk", sameClass: 2 }),
    // ReferIt3D's stimulus says how many there are
    query({ dataset: "nr3d", sameClass: 2 }),
  ];
  const [group] = groupByScene([scene], asked);
  expect(group!.queries.map((q) => q.sameClass)).toEqual([3, 3, 1, 2, 2]);
  expect(group!.queries.map((q) => isEasy(q.sameClass))).toEqual([false, false, true, true, true]);
  expect(() => groupByScene([scene], [query({ targetId: 4 })])).toThrow(
    "sentence a|0: object 4 is not in scene a, which has objects 0 to 3",
  );
});
