import { describe, expect, test } from "vitest";
import { isEasy, isViewDependent, multipleTargets, nyu40Classes, parseStimulus, scanReferClasses } from "../../lib/eval/splits";

describe("multipleTargets", () => {
  const classOf = scanReferClasses({ chair: 2, "office chair": 2, desk: 9 });
  const target = (sceneId: string, objectId: string, objectName: string) => ({ sceneId, objectId, objectName });

  test("two sentences about one object leave it unique; two objects of one class do not", () => {
    const rows = [target("a", "1", "chair"), target("a", "1", "chair"), target("a", "2", "desk"), target("a", "3", "desk")];
    expect(multipleTargets(rows, classOf)).toEqual([false, false, true, true]);
  });

  test("names of one class and names outside the table count together; scenes do not", () => {
    const rows = [target("a", "1", "chair"), target("a", "2", "office_chair"), target("b", "1", "lamp"), target("b", "2", "plant"), target("c", "1", "lamp")];
    expect(multipleTargets(rows, classOf)).toEqual([true, true, true, true, false]);
  });
});

test("NYU40 ids that are not valid become 39, as unknown names do", () => {
  const classOf = nyu40Classes({ chair: 5, lamp: 35, "trash can": 39 }, [5, 39]);
  expect(["chair", "lamp", "trash_can", "blue_thing"].map(classOf)).toEqual([5, 39, 39, 39]);
});

describe("parseStimulus", () => {
  test("scene, class with spaces, count, target and distractors", () => {
    expect(parseStimulus("scene0392_02-trash_can-4-14-11-29-26")).toEqual({
      sceneId: "scene0392_02", instanceType: "trash can", sameClass: 4, targetId: 14, distractorIds: [11, 29, 26],
    });
    expect(parseStimulus("scene0001_00-table-1-13").distractorIds).toEqual([]);
  });

  test.each(["", "scene0001_00", "scene-table-x-1", "scene-table-1"])("%j is not of that form", (id) => {
    expect(() => parseStimulus(id)).toThrow("is not of the form");
  });
});

test("at most two objects of a class are easy", () => {
  expect([1, 2, 3].map(isEasy)).toEqual([true, true, false]);
});

test("view words count letter for letter", () => {
  expect(isViewDependent(["the", "left", "chair"])).toBe(true);
  expect(isViewDependent(["Left", "lefthand", "lefts"])).toBe(false);
});
