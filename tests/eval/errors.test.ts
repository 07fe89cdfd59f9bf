import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { classifyError, countErrors, errorsByRelation, perfectScore, type SceneBoxes } from "../../lib/eval/errors";
import { readExample } from "../../lib/report/examples";
import { errorCases, errorScene } from "../../lib/report/figure-set";
import type { Prediction } from "../../lib/runs/answers";
import { samplePredictions, sampleRow, writeSampleResults, writeSampleScans } from "../report/sample";

const scene: SceneBoxes = {
  sceneId: "scene0000_00",
  objects: [
    { id: 0, label: "table", box: [0, 0, 0, 1, 1, 1] },
    { id: 1, label: "chair", box: [3, 0, 0, 1, 1, 1] },
    { id: 2, label: "chair", box: [6, 0, 0, 1, 1, 1] },
  ],
  proposals: [
    { box: [0.1, 0, 0, 1, 1, 1] },
    { box: [3, 0, 0, 1, 1, 1] },
    { box: [6, 0, 0, 1, 1, 1] },
    { box: [30, 0, 0, 1, 1, 1] },
  ],
};
const base: Prediction = {
  queryId: "q",
  sceneId: scene.sceneId,
  category: "chair",
  kind: "closest",
  target: 1,
  predicted: 1,
  iou: 0,
  description: "the chair",
  anchors: [0],
};

describe("classifyError", () => {
  test.each([
    ["a right answer is no error", { iou: 0.25 }, undefined],
    ["right class, wrong object", { predicted: 2 }, "spatial"],
    ["another class", { predicted: 0 }, "semantic"],
    ["a box on nothing", { predicted: 3 }, "semantic"],
    ["no object", { predicted: -1 }, "semantic"],
  ] as const)("%s", (_, change, kind) => {
    expect(classifyError({ ...base, ...change }, scene)?.kind).toBe(kind);
  });

  test("what the sentence means, where the annotation is wrong", () => {
    const wrong = { ...base, truth: 2 };
    expect(classifyError({ ...wrong, predicted: 2 }, scene)?.kind).toBe("annotation");
    expect(classifyError({ ...wrong, predicted: 0 }, scene)?.kind).toBe("semantic");
    // right by the annotation is counted as right: that is what benchmarks do
    expect(classifyError({ ...wrong, predicted: 1, iou: 1 }, scene)).toBeUndefined();
    expect(perfectScore([base, base, base, wrong])).toBe(75);
    const cases = [
      classifyError({ ...wrong, predicted: 2 }, scene)!,
      classifyError({ ...base, kind: "view", predicted: 0 }, scene)!,
    ];
    expect(errorsByRelation(cases)).toEqual({
      closest: { spatial: 0, semantic: 0, detection: 0, annotation: 1 },
      view: { spatial: 0, semantic: 1, detection: 0, annotation: 0 },
    });
  });

  test("no offered box fits the target", () => {
    const without = { ...scene, proposals: scene.proposals.filter((_, i) => i !== 1) };
    expect(classifyError({ ...base, predicted: 1 }, without)).toMatchObject({
      kind: "detection",
      pickedLabel: "chair",
    });
  });
});

describe("with a data set and results on disk", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "s2-errors-"));
    writeSampleScans(join(folder, "rooms"));
    writeSampleResults(join(folder, "results"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test("all wrong sample answers pick the other chair", () => {
    const row = sampleRow({ data: join(folder, "rooms") });
    const predictions = samplePredictions("full", 0);
    const cases = errorCases(row, predictions);
    expect(countErrors(cases)).toEqual({
      spatial: predictions.filter((p) => p.iou < 0.25).length,
      annotation: 0,
      semantic: 0,
      detection: 0,
    });
    const figure = errorScene(row, cases[0]!);
    expect(figure.alt).toContain("landmark: table, right answer: chair, picked: picked chair");
    expect(figure.data[0]).toMatchObject({ type: "scatter3d", name: "room" });
  });

  test("a missing data set says how to make it", () => {
    expect(() => readExample(sampleRow({ data: join(folder, "absent") }), "scene0000_00")).toThrow(
      /absent is not there: the run's data set is needed .* s2mllm data make/,
    );
  });
});
