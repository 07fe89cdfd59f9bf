import { expect, test } from "vitest";
import { isRight } from "../../lib/eval/errors";
import { boxesOfAnswers, readExample } from "../../lib/report/examples";
import { errorCases, keptAnswers } from "../../lib/report/figure-set";
import type { Prediction } from "../../lib/runs/answers";
import { publishedRows } from "../../lib/runs/results";

const row = publishedRows().find((r) => r.preset === "nano" && r.variant === "full" && r.proposals === "detector")!;
/** Answers in the first rooms that are asked about. */
const answers: Prediction[] = keptAnswers(row)!.slice(0, 60);

test("committed answers are explained where their rooms were never made", () => {
  const cases = errorCases(row, answers);
  expect(cases.map(({ prediction }) => prediction)).toEqual(answers.filter((answer) => !isRight(answer)));
  expect(cases.some(({ kind }) => kind === "detection")).toBe(true);
  const { points, objects } = readExample(row, answers[0]!.sceneId);
  expect(points.positions.length).toBe(points.colours!.length);
  expect(objects[answers[0]!.target]!.label).toBe(answers[0]!.category);
});

test("rooms on which an answer cannot have been given are refused", () => {
  const boxesOf = boxesOfAnswers(row);
  const right = answers.find(isRight)!;
  expect(() => boxesOf(right)).not.toThrow();
  expect(() => boxesOf({ ...right, iou: right.iou - 0.2 })).toThrow(/other rooms than run .* answered on: .* IoU 0\./);
});
