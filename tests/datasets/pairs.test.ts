import { describe, expect, test } from "vitest";
import { answerPairs } from "../../lib/datasets/pairs";
import type { Query } from "../../lib/datasets/scene";

describe("answer pairs", () => {
  const query = (targetId: number, anchorIds: number[], changes: Partial<Query> = {}): Query => ({
    id: "",
    dataset: "scanrefer",
    sceneId: "a",
    category: "chair",
    description: "",
    tokens: [],
    relation: "closest",
    anchorWords: [],
    sameClass: 3,
    targetId,
    anchorIds,
    ...changes,
  });

  test("need one room, class and relation, other anchors, other answers", () => {
    expect(answerPairs([query(1, [8]), query(2, [9])])).toEqual([[0, 1]]);
    expect(answerPairs([query(1, [8]), query(1, [9])])).toEqual([]);
    expect(answerPairs([query(1, [8]), query(2, [8])])).toEqual([]);
    expect(answerPairs([query(1, [8, 9]), query(2, [9, 8])])).toEqual([]);
    expect(answerPairs([query(1, [8]), query(2, [9], { sceneId: "b" })])).toEqual([]);
    expect(answerPairs([query(1, [8]), query(2, [9], { category: "box" })])).toEqual([]);
    expect(answerPairs([query(1, [8]), query(2, [9], { relation: "farthest" })])).toEqual([]);
    expect(answerPairs([query(1, []), query(2, [])])).toEqual([]);
  });

  test("of a viewpoint, who stands where the other looks sees another left", () => {
    const viewpoint = { relation: "viewpoint" } as const;
    expect(answerPairs([query(1, [8, 9], viewpoint), query(2, [9, 8], viewpoint)])).toEqual([[0, 1]]);
    expect(answerPairs([query(1, [8, 9], viewpoint), query(2, [8, 9], viewpoint)])).toEqual([]);
  });

  test("use a sentence once", () => {
    expect(answerPairs([query(1, [7]), query(2, [8]), query(3, [9]), query(4, [6])])).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });
});
