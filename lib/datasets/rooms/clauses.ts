import type { Clause } from "../scene";
import type { RoomsConfig } from "./config";
import { detour, floorDistance, type Named, standsOn, viewedFrom } from "./relations";

type Margins = RoomsConfig["margins"];
/** true or false; undefined where it is too close to call. */
export type Verdict = boolean | undefined;

/** Distances of centres on the floor, metres: from where on something is near, or far, and from where on it is not. */
const near = { yes: 1.3, no: 1.8 } as const;
const far = { yes: 2.6, no: 2.1 } as const;
/** Least difference of two heights that is spoken of, metres. */
const heightGap = 0.15;

const decided = (value: number, yes: number, no: number): Verdict => {
  const sign = yes > no ? 1 : -1;
  if (sign * value >= sign * yes) return true;
  return sign * value <= sign * no ? false : undefined;
};

/** Whether an object is the nearest of its group, or with `sign` -1 the farthest; nobody is where two are alike. */
function extreme(object: Named, group: readonly Named[], anchor: Named, sign: 1 | -1, m: Margins): Verdict {
  const sorted = [...group].sort((a, b) => sign * (floorDistance(a, anchor) - floorDistance(b, anchor)));
  const [first, second] = sorted.map((o) => floorDistance(o, anchor));
  if (second === undefined) return undefined;
  const [least, share] = sign === 1 ? [m.closest, m.closestShare] : [m.farthest, m.farthestShare];
  const apart = sign * (second - first!) >= least && Math.max(first!, second) >= Math.min(first!, second) * (1 + share);
  return apart ? object.id === sorted[0]!.id : undefined;
}

/**
 * Whether what a clause says, its "not" aside, is true of an object.
 *
 * @param group all objects of its class, itself among them
 * @param anchors the objects that the clause names, in its order
 */
export function holds(
  kind: Clause["kind"],
  object: Named,
  group: readonly Named[],
  anchors: readonly Named[],
  m: Margins,
): Verdict {
  const [first, second] = anchors as [Named, Named];
  switch (kind) {
    case "closest":
      return extreme(object, group, first, 1, m);
    case "farthest":
      return extreme(object, group, first, -1, m);
    case "near":
      return decided(floorDistance(object, first), near.yes, near.no);
    case "far":
      return decided(floorDistance(object, first), far.yes, far.no);
    case "nearer":
      return decided(floorDistance(object, second) - floorDistance(object, first), m.closest, -m.closest);
    case "between":
      return floorDistance(first, second) < m.anchorGap
        ? undefined
        : decided(detour(object, first, second), m.detour, m.detour + m.detourGap);
    case "on":
      return standsOn(object, first);
    case "left":
    case "right":
      if (floorDistance(first, second) < m.anchorGap) return undefined;
      return decided((kind === "left" ? 1 : -1) * viewedFrom(first, second, object).left, m.view, -m.view);
    case "taller":
      return decided(object.box[5] - first.box[5], heightGap, -heightGap);
  }
}

/** The objects of a group of which all clauses are true; undefined where one cannot be told. */
export function satisfying(
  clauses: readonly Clause[],
  group: readonly Named[],
  objects: readonly Named[],
  margins: Margins,
): number[] | undefined {
  const out: number[] = [];
  for (const object of group) {
    const verdicts = clauses.map(({ kind, anchors, negated = false }) => {
      const named = anchors.map((id) => objects[id]!);
      const verdict = holds(kind, object, group, named, margins);
      return verdict === undefined ? undefined : verdict !== negated;
    });
    if (verdicts.includes(undefined)) return undefined;
    if (verdicts.every((verdict) => verdict === true)) out.push(object.id);
  }
  return out;
}
