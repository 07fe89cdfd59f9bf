import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { decodeStimulus, pythonList, readReferIt3D } from "../../lib/datasets/referit3d";
import { dataFolder } from "../setup/formats/scan";

let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());
const file = (name: string, content: unknown): string => data.file(name, content);

describe("ReferIt3D", () => {
  test("a stimulus id", () => {
    expect(decodeStimulus("scene0525_00-plant-3-10-9-12", "x")).toEqual({
      sceneId: "scene0525_00",
      label: "plant",
      count: 3,
      targetId: 10,
      distractorIds: [9, 12],
    });
    // labels may hold underscores and hyphens; a lone object has no distractor
    expect(decodeStimulus("scene0525_00-trash_can-1-4", "x")).toMatchObject({
      label: "trash can",
      count: 1,
      targetId: 4,
      distractorIds: [],
    });
    expect(decodeStimulus("scene0525_00-t-shirt-2-4-5", "x")).toMatchObject({
      label: "t-shirt",
      count: 2,
      targetId: 4,
      distractorIds: [5],
    });
  });

  test("a Python list", () => {
    expect(pythonList("['the', 'bed', \"chair's\", 'it\\'s', ',']")).toEqual(["the", "bed", "chair's", "it's", ","]);
    expect(pythonList("[3, 14]")).toEqual(["3", "14"]);
    expect(pythonList("[]")).toEqual([]);
  });

  const head =
    "stimulus_id,scan_id,instance_type,target_id,utterance,tokens," +
    "reference_type,coarse_reference_type,anchor_ids,anchors_types";
  const row = (changes: Record<string, string> = {}): string => {
    const cells: Record<string, string> = {
      stimulus_id: "scene0525_00-plant-2-10-9",
      scan_id: "scene0525_00",
      instance_type: "plant",
      target_id: "10",
      utterance: '"the plant, on top of the desk"',
      tokens: "\"['the', 'Plant']\"",
      reference_type: "supported-by",
      coarse_reference_type: "support",
      anchor_ids: "[4]",
      anchors_types: "['desk']",
      ...changes,
    };
    return head
      .split(",")
      .map((name) => cells[name])
      .join(",");
  };

  test("reads Sr3D rows", () => {
    const [query] = readReferIt3D(file("s.csv", `${head}\n${row()}\n`), "sr3d");
    expect(query).toEqual({
      id: "scene0525_00|10|sr3d-0",
      dataset: "sr3d",
      sceneId: "scene0525_00",
      targetId: 10,
      category: "plant",
      description: "the plant, on top of the desk",
      tokens: ["the", "plant"],
      relation: "support",
      anchorIds: [4],
      anchorWords: ["desk"],
      sameClass: 2,
    });
  });

  test.each([
    ["closest", "horizontal", "closest"],
    ["farthest", "horizontal", "farthest"],
    ["between", "between", "between"],
    ["above", "vertical", "vertical"],
    ["left", "allocentric", "allocentric"],
    ["supporting", "support", "support"],
  ])("%s of %s is %s", (reference_type, coarse_reference_type, kind) => {
    const [query] = readReferIt3D(
      file("s.csv", `${head}\n${row({ reference_type, coarse_reference_type })}\n`),
      "sr3d",
    );
    expect(query!.relation).toBe(kind);
  });

  test("Nr3D has no relation, and other scenes are left out", () => {
    const columns = "stimulus_id,scan_id,instance_type,target_id,utterance,tokens";
    const line = "scene0525_00-plant-2-10-9,scene0525_00,plant,10,a plant,\"['a', 'plant']\"";
    const path = file("n.csv", `${columns}\n${line}\n${line.replaceAll("0525", "0526")}\n`);
    const queries = readReferIt3D(path, "nr3d", new Set(["scene0526_00"]));
    expect(queries.map((q) => [q.sceneId, q.relation, q.anchorIds])).toEqual([["scene0526_00", undefined, []]]);
  });

  test.each([
    [
      "a stimulus of two parts",
      row({ stimulus_id: "scene0525_00-plant" }),
      'stimulus_id must look like scene0525_00-plant-3-10-9-12, got "scene0525_00-plant"',
    ],
    ["a stimulus without a count", row({ stimulus_id: "scene0525_00-plant-x-10" }), "stimulus_id must look like"],
    [
      "a strange stimulus",
      row({ stimulus_id: "plant-3" }),
      's.csv: row 2: stimulus_id must look like scene0525_00-plant-3-10-9-12, got "plant-3"',
    ],
    [
      "a wrong count",
      row({ stimulus_id: "scene0525_00-plant-3-10-9" }),
      "counts 3 objects, so expected 2 distractors, got 1",
    ],
    [
      "two targets",
      row({ target_id: "11" }),
      "s.csv: row 2: scan_id scene0525_00 and target_id 11 do not agree with stimulus_id",
    ],
    [
      "an empty sentence",
      row({ utterance: " " }),
      "s.csv: row 2 (scene0525_00, object 10) has an empty utterance; remove it",
    ],
  ])("refuses %s", (_, line, message) => {
    const path = file("s.csv", `${head}\n${line}\n`);
    expect(() => readReferIt3D(path, "sr3d")).toThrow(UserError);
    expect(() => readReferIt3D(path, "sr3d")).toThrow(message);
  });

  test("names missing columns and files", () => {
    expect(() => readReferIt3D(file("s.csv", "scan_id,utterance\nscene0525_00,hi\n"), "sr3d")).toThrow(
      "columns stimulus_id, instance_type, target_id, tokens missing",
    );
    expect(() => readReferIt3D(join(data.folder, "x.csv"), "nr3d")).toThrow("x.csv is missing: expected Nr3D's csv");
  });
});
