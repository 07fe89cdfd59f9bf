import { describe, expect, test } from "vitest";
import { isEasy, isViewDependent, multipleTargets, nyu40Classes, scanReferClasses } from "../../lib/eval/splits";

describe("multipleTargets", () => {
  const classOf = scanReferClasses({ chair: 2, "office chair": 2, desk: 9 });
  const target = (sceneId: string, objectId: string, objectName: string) => ({ sceneId, objectId, objectName });

  test("two sentences about one object leave it unique; two objects of one class do not", () => {
    const rows = [
      target("a", "1", "chair"),
      target("a", "1", "chair"),
      target("a", "2", "desk"),
      target("a", "3", "desk"),
    ];
    expect(multipleTargets(rows, classOf)).toEqual([false, false, true, true]);
  });

  test("names of one class and names outside the table count together; scenes do not", () => {
    const rows = [
      target("a", "1", "chair"),
      target("a", "2", "office_chair"),
      target("b", "1", "lamp"),
      target("b", "2", "plant"),
      target("c", "1", "lamp"),
    ];
    expect(multipleTargets(rows, classOf)).toEqual([true, true, true, true, false]);
  });
});

test("NYU40 ids that are not valid become 39, as unknown names do", () => {
  const classOf = nyu40Classes({ chair: 5, lamp: 35, "trash can": 39 }, [5, 39]);
  expect(["chair", "lamp", "trash_can", "blue_thing"].map(classOf)).toEqual([5, 39, 39, 39]);
});

test("at most two objects of a class are easy", () => {
  expect([1, 2, 3].map(isEasy)).toEqual([true, true, false]);
});

test("view words count letter for letter", () => {
  expect(isViewDependent(["the", "left", "chair"])).toBe(true);
  expect(isViewDependent(["Left", "lefthand", "lefts"])).toBe(false);
});
