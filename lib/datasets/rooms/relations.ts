import type { Box } from "../../geometry/box";
import type { RelationKind } from "../scene";
import type { RoomsConfig } from "./config";

/**
 * What the relations need to know of an object; boxes in the axis-aligned world with the room's middle at the origin.
 */
export interface Named {
  readonly id: number;
  readonly label: string;
  readonly box: Box;
}

export type Side = "leftmost" | "rightmost" | "left" | "right" | "behind";

/** A true statement with exactly one answer among the objects of the answer's class. */
export interface Relation {
  readonly kind: RelationKind;
  readonly answer: number;
  /** One anchor; two for "between" and "viewpoint" (stood at, faced); none for "attribute". */
  readonly anchors: readonly number[];
  /** For "view" and "viewpoint" only. */
  readonly side?: Side;
}

/** Distance of two centres in the floor plane. */
export function floorDistance(a: Named, b: Named): number {
  return Math.hypot(a.box[0] - b.box[0], a.box[1] - b.box[1]);
}

/** Does `object` stand on `support`: undersides meet the top, centre above it. */
export function standsOn(object: Named, support: Named): boolean {
  const [x, y, z, , , h] = object.box;
  const [sx, sy, sz, w, d, sh] = support.box;
  return Math.abs(z - h / 2 - (sz + sh / 2)) < 0.02 && Math.abs(x - sx) <= w / 2 && Math.abs(y - sy) <= d / 2;
}

/** How much longer the way from `a` to `b` is over `object` than straight; 1 when it lies right between them. */
export function detour(object: Named, a: Named, b: Named): number {
  return (floorDistance(a, object) + floorDistance(object, b)) / floorDistance(a, b);
}

/** Metres ahead and to the left of someone who stands in the middle of the room and faces `anchor`. */
export function seenFacing(anchor: Named, object: Named): { readonly ahead: number; readonly left: number } {
  const length = Math.hypot(anchor.box[0], anchor.box[1]);
  const [fx, fy] = [anchor.box[0] / length, anchor.box[1] / length];
  return { ahead: fx * object.box[0] + fy * object.box[1], left: -fy * object.box[0] + fx * object.box[1] };
}

/** Metres ahead and to the left of someone who stands at one object and faces another. */
export function viewedFrom(
  stand: Named,
  faced: Named,
  object: Named,
): { readonly ahead: number; readonly left: number } {
  const length = floorDistance(stand, faced);
  const fx = (faced.box[0] - stand.box[0]) / length;
  const fy = (faced.box[1] - stand.box[1]) / length;
  const [x, y] = [object.box[0] - stand.box[0], object.box[1] - stand.box[1]];
  return { left: -fy * x + fx * y, ahead: fx * x + fy * y };
}

type Margins = RoomsConfig["margins"];

/** `closest` and `farthest`: centre distance in the floor plane, the second one a stated margin away. */
function byDistance(group: readonly Named[], anchor: Named, m: Margins): Relation[] {
  const sorted = group.map((o) => ({ id: o.id, d: floorDistance(o, anchor) })).sort((a, b) => a.d - b.d);
  const out: Relation[] = [];
  const [first, second] = sorted;
  if (second!.d - first!.d >= m.closest && second!.d >= first!.d * (1 + m.closestShare)) {
    out.push({ kind: "closest", answer: first!.id, anchors: [anchor.id] });
  }
  const [last, before] = [sorted[sorted.length - 1]!, sorted[sorted.length - 2]!];
  if (last.d - before.d >= m.farthest && last.d >= before.d * (1 + m.farthestShare)) {
    out.push({ kind: "farthest", answer: last.id, anchors: [anchor.id] });
  }
  return out;
}

/**
 * `between`: the way from one anchor over the answer to the other is nearly straight; over every other instance it is
 * not.
 */
function byBetween(group: readonly Named[], a: Named, b: Named, m: Margins): Relation[] {
  if (floorDistance(a, b) < m.anchorGap) return [];
  const sorted = group.map((o) => ({ id: o.id, ratio: detour(o, a, b) })).sort((p, q) => p.ratio - q.ratio);
  if (sorted[0]!.ratio > m.detour || sorted[1]!.ratio < sorted[0]!.ratio + m.detourGap) return [];
  return [{ kind: "between", answer: sorted[0]!.id, anchors: [a.id, b.id] }];
}

/**
 * `view`: seen by someone who stands in the middle of the room and faces the anchor. Sideways offset decides; the
 * answer
 * must lie in front of the viewer and beat every other instance, also those behind, by the margin.
 */
function byView(group: readonly Named[], anchor: Named, m: Margins): Relation[] {
  if (Math.hypot(anchor.box[0], anchor.box[1]) < 3 * m.viewAhead) return [];
  const seen = group.map((o) => ({ id: o.id, ...seenFacing(anchor, o) })).sort((p, q) => q.left - p.left);
  const out: Relation[] = [];
  const add = (first: (typeof seen)[number], second: (typeof seen)[number], side: Side): void => {
    if (first.ahead >= m.viewAhead && Math.abs(first.left - second.left) >= m.view) {
      out.push({ kind: "view", answer: first.id, anchors: [anchor.id], side });
    }
  };
  add(seen[0]!, seen[1]!, "leftmost");
  add(seen[seen.length - 1]!, seen[seen.length - 2]!, "rightmost");
  return out;
}

/**
 * All statements about `group` (the objects of one class) that have one unmistakable answer.
 *
 * @param anchors objects that a sentence may name; each must be told apart by its name
 */
export function relationsOf(group: readonly Named[], anchors: readonly Named[], margins: Margins): Relation[] {
  if (group.length < 2) return [];
  const out: Relation[] = [];
  anchors.forEach((anchor, i) => {
    out.push(...byDistance(group, anchor, margins), ...byView(group, anchor, margins));
    for (const other of anchors.slice(i + 1)) out.push(...byBetween(group, anchor, other, margins));
    const on = group.filter((o) => standsOn(o, anchor));
    if (on.length === 1) out.push({ kind: "support", answer: on[0]!.id, anchors: [anchor.id] });
  });
  return out;
}

/**
 * `viewpoint`: seen by someone who stands at one anchor and faces another, the only one of its class on a side. It lies
 * there by the margin `view`; every other one lies on the other side or in line.
 */
function byViewpoint(group: readonly Named[], stand: Named, faced: Named, m: Margins): Relation[] {
  if (floorDistance(stand, faced) < m.anchorGap) return [];
  const places = group.map((o) => ({ id: o.id, ...viewedFrom(stand, faced, o) }));
  const sides = {
    left: (o: (typeof places)[number]) => o.left,
    right: (o: (typeof places)[number]) => -o.left,
    behind: (o: (typeof places)[number]) => -o.ahead,
  } as const satisfies Partial<Record<Side, unknown>>;
  return Object.entries(sides).flatMap(([side, offset]): Relation[] => {
    const [first, second] = [...places].sort((p, q) => offset(q) - offset(p)) as [
      (typeof places)[0],
      (typeof places)[0],
    ];
    return offset(first) < m.view || offset(second) > 0
      ? []
      : [{ kind: "viewpoint", answer: first.id, anchors: [stand.id, faced.id], side: side as Side }];
  });
}

/** All statements about `group` that name a standpoint and what is faced from there. @param anchors as `relationsOf` */
export function viewpointsOf(group: readonly Named[], anchors: readonly Named[], margins: Margins): Relation[] {
  if (group.length < 2) return [];
  return anchors.flatMap((stand) =>
    anchors.flatMap((faced) => (faced === stand ? [] : byViewpoint(group, stand, faced, margins))),
  );
}

/** All statements of one kind. */
export function statementsOf(
  kind: RelationKind,
  group: readonly Named[],
  anchors: readonly Named[],
  margins: Margins,
): Relation[] {
  if (kind === "viewpoint") return viewpointsOf(group, anchors, margins);
  return relationsOf(group, anchors, margins).filter((relation) => relation.kind === kind);
}
