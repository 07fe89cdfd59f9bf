import { detour, floorDistance, type Named, seenFacing, standsOn } from "../datasets/rooms/relations";
import { type RelationKind, relationKinds } from "../datasets/scene";
import type { Prediction } from "../runs/answers";
import { isRight, objectUnder, type SceneBoxes } from "./errors";

/** A part of what a sentence asks for, with what the pick does instead, in words. */
export interface Violation {
  readonly clause: "class" | RelationKind;
  readonly text: string;
}

const metres = (value: number): string => `${value.toFixed(2)} m`;

/** What the pick does instead of `kind`, compared with the right answer; undefined where it does as well or better. */
function violation(kind: RelationKind, pick: Named, target: Named, anchors: readonly Named[]): string | undefined {
  const [anchor, second] = anchors;
  if (anchor === undefined) return undefined;
  const compared = (what: string, of: (o: Named) => string): string =>
    `${what}: ${of(pick)}, the right one ${of(target)}`;
  switch (kind) {
    case "closest":
    case "farthest": {
      const sign = kind === "closest" ? 1 : -1;
      if (sign * floorDistance(pick, anchor) <= sign * floorDistance(target, anchor)) return undefined;
      return compared(`distance to the ${anchor.label}`, (o) => metres(floorDistance(o, anchor)));
    }
    case "between": {
      if (second === undefined || detour(pick, anchor, second) <= detour(target, anchor, second)) return undefined;
      const names = `${anchor.label} to ${second.label}`;
      return compared(`way from ${names} over it, straight = 1`, (o) => detour(o, anchor, second).toFixed(2));
    }
    case "support":
      return standsOn(pick, anchor) ? undefined : `does not stand on the ${anchor.label}`;
    case "view": {
      const away = seenFacing(anchor, target).left - seenFacing(anchor, pick).left;
      const side = away > 0 ? "right" : "left";
      return `facing the ${anchor.label}, it lies ${metres(Math.abs(away))} to the ${side} of the right one`;
    }
    default:
      return undefined;
  }
}

/**
 * The clauses of a sentence that the picked box violates, by the geometry of the annotated boxes: its class, and its
 * relation to the landmarks. "view" supposes a viewer in the middle of the room, as S2-Rooms' sentences do.
 *
 * @returns none for a right answer, and where the data do not say what the sentence asks for
 */
export function violatedClauses(prediction: Prediction, scene: SceneBoxes): Violation[] {
  const { category, kind, predicted, anchors } = prediction;
  const picked = scene.proposals[predicted];
  if (isRight(prediction) || picked === undefined) return [];
  const under = objectUnder(picked.box, scene);
  const out: Violation[] = [];
  if (under?.label !== category)
    out.push({ clause: "class", text: `asked for ${category}, picked ${under?.label ?? "no annotated object"}` });
  const target = scene.objects.find((o) => o.id === prediction.target);
  const relation = relationKinds.find((known) => known === kind);
  if (target === undefined || relation === undefined) return out;
  const pick = under ?? { id: -1, label: category, box: picked.box };
  const landmarks = anchors.flatMap((id) => scene.objects.find((o) => o.id === id) ?? []);
  const text = violation(relation, pick, target, landmarks);
  return text === undefined ? out : [...out, { clause: relation, text }];
}
