import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readScanRefer } from "../../lib/datasets/scanrefer";
import { dataFolder } from "../setup/formats/scan";

let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());
const file = (name: string, content: unknown): string => data.file(name, content);

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

  test.each(["", " ", "1.5", "-1", "x"])("an object_id of %j is none: it is not object 0", (object_id) => {
    expect(() => readScanRefer(file("a.json", [{ ...entry, object_id }]))).toThrow(
      `annotation 0 (scene0011_00): object_id must be a whole number, got "${object_id}"`,
    );
  });

  test("without a token list words are split as the official lists are, and a byte order mark is no content", () => {
    const { token: _, ...plain } = { ...entry, description: "It's the Can, left of the well-lit (big) one." };
    const path = file("a.json", `\ufeff${JSON.stringify([plain])}`);
    expect(readScanRefer(path)[0]!.tokens).toEqual([
      "it",
      "'s",
      "the",
      "can",
      ",",
      "left",
      "of",
      "the",
      "well-lit",
      "(",
      "big",
      ")",
      "one",
      ".",
    ]);
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
    ["no list", { entries: [] }, "a.json: Invalid input: expected array, received object"],
    ["no JSON", "[{", "a.json: not JSON"],
  ])("refuses %s", (_, content, message) => {
    const path = file("a.json", content);
    expect(() => readScanRefer(path)).toThrow(UserError);
    expect(() => readScanRefer(path)).toThrow(message);
  });

  test("says when the file is not there", () => {
    expect(() => readScanRefer(join(data.folder, "b.json"))).toThrow(
      /b\.json is missing: expected ScanRefer's annotations/,
    );
  });
});
