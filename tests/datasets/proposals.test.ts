import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readProposals } from "../../lib/datasets/proposals";
import { dataFolder } from "../setup/formats/scan";

let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());
const file = (name: string, content: unknown): string => data.file(name, content);

describe("proposals", () => {
  const box = [1, 2, 0.5, 1, 1, 1];

  test("reads boxes, labels and scores", () => {
    file("proposals/scene0001_00.json", {
      scene: "scene0001_00",
      proposals: [{ box, label: "bed", score: 0.5 }, { box }],
    });
    expect(readProposals(data.folder, "scene0001_00")).toEqual([{ box, label: "bed", score: 0.5 }, { box }]);
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
    expect(() => readProposals(data.folder, "scene0001_00")).toThrow(UserError);
    expect(() => readProposals(data.folder, "scene0001_00")).toThrow(message);
  });

  test("says when a scene has none", () => {
    expect(() => readProposals(data.folder, "scene0009_00")).toThrow(
      "scene0009_00.json is missing: expected the detector's boxes of scene0009_00",
    );
  });
});
