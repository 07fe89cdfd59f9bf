import type { Rng } from "../../core/rng";
import type { Clause, RelationKind } from "../scene";
import type { RoomsConfig } from "./config";
import type { Layout, RoomObject } from "./layout";
import { phrase, quotas, templateSet, wordings } from "./phrases";
import { type Relation, relationsOf, viewpointsOf } from "./relations";

export interface RoomSentence {
  readonly kind: RelationKind;
  /** What the annotation names. */
  readonly target: number;
  /** What the sentence means, where the annotation is wrong. */
  readonly truth?: number;
  /** In the order in which the text names them. */
  readonly anchors: readonly number[];
  /** Of kind "several". */
  readonly clauses?: readonly Clause[];
  readonly text: string;
}

/** Plants errors of annotation: a share of the sentences gets another object of the class as its target. */
export function mislabelled(
  sentences: readonly RoomSentence[],
  { objects }: Layout,
  share: number,
  rng: Rng,
): RoomSentence[] {
  return sentences.map((sentence) => {
    const { label } = objects[sentence.target]!;
    const others = objects.filter((o) => o.label === label && o.id !== sentence.target);
    if (others.length === 0 || rng.next() >= share) return sentence;
    return { ...sentence, target: rng.pick(others).id, truth: sentence.target };
  });
}

/** Statements of one kind about one class: the unit in which answers are balanced. */
export interface Question {
  readonly kind: RelationKind;
  readonly label: string;
  /** Statements by answer. */
  readonly byAnswer: ReadonlyMap<number, readonly Relation[]>;
}

/** Objects (ids) that sentences may ask for or name; the others still count as wrong answers. */
export interface Shown {
  readonly attribute: ReadonlySet<number>;
  /** For every other kind of sentence. */
  readonly relation: ReadonlySet<number>;
  /** Whether no frame that shows an answer's class shows the anchor, where every sentence must be so. */
  readonly split?: (answer: number, anchor: number) => boolean;
}

/**
 * Every question of a room whose answer can be more than one object; attributes always qualify (each names its own
 * object).
 *
 * @param options `viewpoints`: also sentences that state a viewpoint; `may`: relations that may be asked
 */
export function questionsOf(
  layout: Layout,
  margins: RoomsConfig["margins"],
  shown: Shown,
  { viewpoints = false, may = () => true }: { viewpoints?: boolean; may?: (relation: Relation) => boolean } = {},
): Question[] {
  const anchors = layout.objects.filter((o) => o.role === "anchor" && shown.relation.has(o.id));
  const labels = [
    ...new Set(layout.objects.filter((o) => o.role === "target" || o.role === "small").map((o) => o.label)),
  ];
  const found: Question[] = [];
  const add = (kind: RelationKind, label: string, relations: readonly Relation[]): void => {
    const byAnswer = new Map<number, Relation[]>();
    for (const r of relations)
      if (shown[kind === "attribute" ? kind : "relation"].has(r.answer) && may(r))
        byAnswer.set(r.answer, [...(byAnswer.get(r.answer) ?? []), r]);
    if (byAnswer.size >= 2) found.push({ kind, label, byAnswer });
  };
  for (const label of labels) {
    const group = layout.objects.filter((o) => o.label === label);
    const relations = relationsOf(group, anchors, margins);
    // objects on furniture are asked for by what they stand on only: their height would tell where they are
    const kinds = group.some((o) => o.role === "small")
      ? (["support"] as const)
      : (["closest", "farthest", "between", "view"] as const);
    for (const kind of kinds)
      add(
        kind,
        label,
        relations.filter((r) => r.kind === kind),
      );
    if (viewpoints && !kinds.some((kind) => kind === "support"))
      add("viewpoint", label, viewpointsOf(group, anchors, margins));
  }
  const named = layout.objects.filter((o) =>
    layout.objects.every((p) => p === o || p.label !== o.label || p.colour !== o.colour),
  );
  add(
    "attribute",
    "",
    named.map((o) => ({ kind: "attribute", answer: o.id, anchors: [] })),
  );
  return found;
}

/** How much a layout offers: questions with many possible answers leave nothing to guess without the anchor. */
export function richness(layout: Layout, margins: RoomsConfig["margins"]): number {
  const all = new Set(layout.objects.map((o) => o.id));
  let sum = 0;
  for (const { kind, byAnswer } of questionsOf(layout, margins, { attribute: all, relation: all })) {
    if (kind === "closest" || kind === "farthest" || kind === "between") sum += Math.min(byAnswer.size, 4) - 1;
  }
  return sum;
}

interface Wording {
  readonly text: string;
  readonly anchors: readonly number[];
}

function wordingsOf(relation: Relation, objects: readonly RoomObject[]): Wording[] {
  const target = objects[relation.answer]!;
  const lone = objects.every((o) => o === target || o.label !== target.label);
  const set = templateSet(relation.kind, relation.side, lone);
  const orders = relation.kind === "between" ? [relation.anchors, [...relation.anchors].reverse()] : [relation.anchors];
  return orders.flatMap((anchors) =>
    Array.from({ length: wordings(set) }, (_, i) => ({
      anchors,
      text: phrase(
        set,
        i,
        target,
        anchors.map((id) => objects[id]!),
      ),
    })),
  );
}

/** Draws sentences of one question: every answer equally often, statements and wordings without repetition. */
class Drawer {
  private readonly left: Map<number, { uses: number; wordings: Wording[] }[]>;
  private round: number[] = [];

  constructor(
    readonly question: Question,
    objects: readonly RoomObject[],
    private readonly rng: Rng,
  ) {
    this.left = new Map(
      [...question.byAnswer].map(([answer, relations]) => [
        answer,
        rng.shuffle(relations).map((r) => ({ uses: 0, wordings: rng.shuffle(wordingsOf(r, objects)) })),
      ]),
    );
  }

  /** undefined when some answer has run out of wordings: going on would favour the others. */
  next(): RoomSentence | undefined {
    if (this.round.length === 0) {
      const answers = [...this.left.keys()];
      if (answers.some((a) => this.left.get(a)!.every((s) => s.wordings.length === 0))) return undefined;
      this.round = this.rng.shuffle(answers);
    }
    const target = this.round.pop()!;
    // the statement that was used least
    const statement = this.left
      .get(target)!
      .filter((s) => s.wordings.length > 0)
      .sort((a, b) => a.uses - b.uses)[0]!;
    statement.uses++;
    const { text, anchors } = statement.wordings.pop()!;
    return { kind: this.question.kind, target, anchors, text };
  }
}

/**
 * Sentences of a room: kinds near the config's mix; within each (class, kind) answers are drawn uniformly among those
 * that can be reached, so knowing the class and the kind alone favours no instance.
 */
export function writeSentences(
  layout: Layout,
  shown: Shown,
  count: number,
  config: RoomsConfig,
  rng: Rng,
): RoomSentence[] {
  const drawers = new Map<RelationKind, Drawer[]>();
  const { split } = shown;
  const options = {
    viewpoints: (config.mix.viewpoint ?? 0) > 0,
    // the class in one frame, what it is told apart by in another
    ...(split === undefined
      ? {}
      : { may: ({ answer, anchors }: Relation) => anchors.every((anchor) => split(answer, anchor)) }),
  };
  for (const question of questionsOf(layout, config.margins, shown, options)) {
    const drawer = new Drawer(question, layout.objects, rng);
    drawers.set(question.kind, [...(drawers.get(question.kind) ?? []), drawer]);
  }
  const out: RoomSentence[] = [];
  const weights = new Map(
    [...drawers.keys()].map((kind) => [kind, config.mix[kind] ?? 0] as const).filter(([, w]) => w > 0),
  );
  while (out.length < count && weights.size > 0) {
    for (const [kind, quota] of quotas(count - out.length, weights, rng)) {
      const able = rng.shuffle(drawers.get(kind)!);
      for (let i = 0; i < quota; ) {
        if (able.length === 0) {
          weights.delete(kind);
          break;
        }
        const sentence = able[i % able.length]!.next();
        if (sentence === undefined) able.splice(i % able.length, 1);
        else {
          out.push(sentence);
          i++;
        }
      }
    }
  }
  return rng.shuffle(out);
}
