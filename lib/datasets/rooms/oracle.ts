import type { Query, SceneObject } from "../scene";
import { satisfying } from "./clauses";
import type { RoomsConfig } from "./config";
import { readPhrase, type TemplateSet } from "./phrases";
import { detour, floorDistance, type Named, seenFacing, standsOn, viewedFrom } from "./relations";

/** How well an object fits what a template says of it and its anchors: the greatest is meant. */
function agreement(set: TemplateSet, object: Named, [first, second]: readonly Named[]): number {
  switch (set) {
    case "closest":
      return -floorDistance(object, first!);
    case "farthest":
      return floorDistance(object, first!);
    case "between":
      return -detour(object, first!, second!);
    case "support":
      return standsOn(object, first!) ? 1 : 0;
    case "leftmost":
      return seenFacing(first!, object).left;
    case "rightmost":
      return -seenFacing(first!, object).left;
    case "left":
      return viewedFrom(first!, second!, object).left;
    case "right":
      return -viewedFrom(first!, second!, object).left;
    case "behind":
      return -viewedFrom(first!, second!, object).ahead;
    case "coloured":
    case "unique":
      return 0;
  }
}

/**
 * The rule oracle's answer: the sentence is read by its template, and classes, colours and boxes are the true ones.
 * What it gets wrong no model can be blamed for; a set's upper bound. Descriptions of several clauses are read from
 * their annotation.
 *
 * @param colours of `objects`
 * @returns an object's id; undefined where the sentence, or what it names, is not understood
 */
export function oracleAnswer(
  query: Query,
  objects: readonly SceneObject[],
  colours: readonly string[],
  margins: RoomsConfig["margins"],
): number | undefined {
  const called = (label: string, colour?: string): SceneObject[] =>
    objects.filter((o, i) => o.label === label && (colour === undefined || colours[i] === colour));
  if (query.clauses !== undefined) {
    const there = satisfying(query.clauses, called(query.category), objects, margins);
    return there?.length === 1 ? there[0] : undefined;
  }
  const reading = readPhrase(query.description);
  if (reading === undefined) return undefined;
  const anchors = reading.anchors.map(({ label, colour }) => called(label, colour));
  if (anchors.some((found) => found.length !== 1)) return undefined;
  const named = anchors.map(([anchor]) => anchor!);
  const scored = called(reading.label, reading.colour).map(({ id, ...o }) => {
    return { id, score: agreement(reading.set, { id, ...o }, named) };
  });
  return scored.sort((a, b) => b.score - a.score)[0]?.id;
}
