import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { answerPairs } from "../../lib/datasets/pairs";
import { readProposals } from "../../lib/datasets/proposals";
import { decodeStimulus, pythonList, readReferIt3D } from "../../lib/datasets/referit3d";
import { readScanRefer } from "../../lib/datasets/scanrefer";
import type { Query } from "../../lib/datasets/scene";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-annotations-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("ScanRefer", () => {
  const entry = {
    scene_id: "scene0011_00",
    object_id: "3",
    object_name: "trash_can",
    ann_id: "1",
    description: "The grey can.",
    token: ["The", "grey", "can", "."],
  };

  test("reads the official fields", () => {
    const queries = readScanRefer(
      file("a.json", [
        entry,
        { ...entry, object_id: "5" },
        { ...entry, ann_id: "2" },
        { ...entry, scene_id: "scene0012_00" },
      ]),
    );
    expect(queries[0]).toEqual({
      id: "scene0011_00|3|1",
      dataset: "scanrefer",
      sceneId: "scene0011_00",
      targetId: 3,
      category: "trash can",
      description: "The grey can.",
      tokens: ["the", "grey", "can", "."],
      relation: undefined,
      anchorIds: [],
      anchorWords: [],
      sameClass: 2,
    });
    // distinct referred objects of the class in the scene: 3 and 5, not three annotations
    expect(queries.map((q) => q.sameClass)).toEqual([2, 2, 2, 1]);
  });

  test("keeps what S2-Rooms adds, and only the wanted scenes", () => {
    const rooms = {
      ...entry,
      scene_id: "scene0002_00",
      s2_rooms: { kind: "between", anchor_ids: [7, 1], anchors_types: ["table", "bed"] },
    };
    const [query, ...rest] = readScanRefer(file("a.json", [entry, rooms]), new Set(["scene0002_00"]));
    expect(rest).toEqual([]);
    expect(query).toMatchObject({ relation: "between", anchorIds: [7, 1], anchorWords: ["table", "bed"] });
  });

  test.each<[string, unknown, string]>([
    ["a missing field", [{ ...entry, ann_id: undefined }], "a.json: annotation 0: ann_id:"],
    ["a name that is no text", [entry, { ...entry, object_name: 3 }], "a.json: annotation 1: object_name:"],
    ["tokens that are no texts", [{ ...entry, token: ["the", 3] }], "a.json: annotation 0: token.1:"],
    [
      "an unknown kind",
      [{ ...entry, s2_rooms: { kind: "near", anchor_ids: [], anchors_types: [] } }],
      "a.json: annotation 0: s2_rooms.kind:",
    ],
    [
      "half an anchor",
      [{ ...entry, s2_rooms: { kind: "between", anchor_ids: [1, 2.5], anchors_types: [] } }],
      "a.json: annotation 0: s2_rooms.anchor_ids.1:",
    ],
    [
      "anchors without words",
      [{ ...entry, s2_rooms: { kind: "between", anchor_ids: [] } }],
      "a.json: annotation 0: s2_rooms.anchors_types:",
    ],
    ["an entry that is a list", [[entry]], "a.json: annotation 0:"],
    [
      "an empty sentence",
      [entry, { ...entry, description: "  " }],
      "a.json: annotation 1 (scene0011_00, object 3) has an empty description; remove it",
    ],
    [
      "an odd object id",
      [{ ...entry, object_id: "chair" }],
      'a.json: annotation 0 (scene0011_00): object_id must be a whole number, got "chair"',
    ],
    ["no list", { entries: [] }, "a.json: expected a list of annotations, got object"],
    ["no JSON", "[{", "a.json: not JSON"],
  ])("refuses %s", (_, content, message) => {
    const path = file("a.json", content);
    expect(() => readScanRefer(path)).toThrow(UserError);
    expect(() => readScanRefer(path)).toThrow(message);
  });

  test("says when the file is not there", () => {
    expect(() => readScanRefer(join(folder, "b.json"))).toThrow(/b\.json is missing: expected ScanRefer's annotations/);
  });
});

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
    "stimulus_id,scan_id,instance_type,target_id,utterance,tokens,reference_type,coarse_reference_type,anchor_ids,anchors_types";
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
    expect(() => readReferIt3D(join(folder, "x.csv"), "nr3d")).toThrow("x.csv is missing: expected Nr3D's csv");
  });
});

describe("proposals", () => {
  const box = [1, 2, 0.5, 1, 1, 1];

  test("reads boxes, labels and scores", () => {
    file("proposals/scene0001_00.json", {
      scene: "scene0001_00",
      proposals: [{ box, label: "bed", score: 0.5 }, { box }],
    });
    expect(readProposals(folder, "scene0001_00")).toEqual([{ box, label: "bed", score: 0.5 }, { box }]);
  });

  test.each<[string, unknown, string]>([
    [
      "another scene's file",
      { scene: "scene0002_00", proposals: [] },
      'holds proposals of scene "scene0002_00", expected "scene0001_00"; the file is misnamed or misplaced',
    ],
    // JSON writes NaN as null
    [
      "a box with NaN",
      { scene: "scene0001_00", proposals: [{ box }, { box: [NaN, 1, 1, 1, 1, 1] }] },
      "proposal 1 must have 6 finite numbers, centre and positive size, got [, 1, 1, 1, 1, 1]",
    ],
    [
      "a box of five numbers",
      { scene: "scene0001_00", proposals: [{ box: [1, 1, 1, 1, 1] }] },
      "proposal 0 must have 6 finite numbers",
    ],
    [
      "a flat box",
      { scene: "scene0001_00", proposals: [{ box: [1, 1, 1, 1, 0, 1] }] },
      "proposal 0 must have 6 finite numbers, centre and positive size",
    ],
    ["an unknown form", [], "scene0001_00.json:"],
    ["no JSON", "{", "scene0001_00.json: not JSON"],
  ])("refuses %s", (_, content, message) => {
    file("proposals/scene0001_00.json", content);
    expect(() => readProposals(folder, "scene0001_00")).toThrow(UserError);
    expect(() => readProposals(folder, "scene0001_00")).toThrow(message);
  });

  test("says when a scene has none", () => {
    expect(() => readProposals(folder, "scene0009_00")).toThrow(
      "scene0009_00.json is missing: expected the detector's boxes of scene0009_00",
    );
  });
});

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

  test("use a sentence once", () => {
    expect(answerPairs([query(1, [7]), query(2, [8]), query(3, [9]), query(4, [6])])).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });
});
