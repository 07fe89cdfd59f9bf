import { existsSync } from "node:fs";
import type { ProposalSource } from "../dataloader/prepared-scenes";
import type { SceneSentences } from "../dataloader/sentences";
import { readLabelMap } from "../datasets/label-map";
import { answerPairs } from "../datasets/pairs";
import { iou } from "../geometry/box";
import type { Tokenizer } from "../io/tokenizer";
import { referIt3dAccuracy, scanReferAccuracy, shareOf } from "./accuracy";
import type { Answer } from "./predict";
import { type ClassOf, isEasy, isViewDependent, multipleTargets, nyu40Classes } from "./splits";

/** Class ids that ScanNet's benchmark evaluates; all others count as one class (spec 7). */
const validNyu40 = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39];

/** Classes for "unique" and "multiple": NYU40 by the data set's label map, or by name where it has none. */
export function classesOf(labelMap: string): ClassOf {
  if (!existsSync(labelMap)) {
    const ids = new Map<string, number>();
    return (name) => ids.get(name) ?? (ids.set(name, ids.size), ids.size - 1);
  }
  return nyu40Classes(Object.fromEntries(readLabelMap(labelMap).nyu40Id), validNyu40);
}

/** Accuracies in percent; a split without sentences is left out. */
export interface Scores {
  acc25: number;
  acc50: number;
  unique25?: number;
  unique50?: number;
  multiple25?: number;
  multiple50?: number;
  easy25?: number;
  hard25?: number;
  dep25?: number;
  indep25?: number;
  byRelation: Record<string, number>;
  pairAccuracy: Record<string, number>;
  /** Share of the answers in which the model did not write <ground> itself; left out when it always did. */
  withoutGround?: number;
  /** Share of the answers whose words, the model's own, do not name the target's class; left out without any. */
  wrongWords?: number;
}

const percent = (share: number): number => Number((100 * share).toFixed(3));

/** Accuracies as ScanRefer and ReferIt3D report them, by relation kind, and of pairs. */
export function scoreAnswers(answers: readonly Answer[], classOf: ClassOf): Scores {
  const ious = answers.map((a) => a.iou);
  const queries = answers.map((a) => a.query);
  const multiple = multipleTargets(
    queries.map((q) => ({ sceneId: q.sceneId, objectId: String(q.targetId), objectName: q.category })),
    classOf,
  );
  const scanRefer = scanReferAccuracy(ious, multiple);
  const refer = referIt3dAccuracy(
    ious,
    queries.map((q) => isEasy(q.sameClass)),
    queries.map((q) => isViewDependent(q.tokens)),
  );
  const split = (key: string, part: { readonly n: number; readonly acc25: number }): Record<string, number> =>
    part.n === 0 ? {} : { [key]: percent(part.acc25) };
  const hits = ious.map((x) => x >= 0.25);
  const kinds = [...new Set(queries.flatMap((q) => (q.relation === undefined ? [] : [q.relation])))].sort();
  const pairs = answerPairs(queries);
  const written = answers.flatMap((a) => (a.written === undefined ? [] : [{ ...a, written: a.written }]));
  const wrong = written.filter((a) => !` ${a.written} `.includes(` ${a.query.category} `)).length;
  const silent = answers.filter((a) => a.withoutGround !== undefined).length;
  return {
    acc25: percent(scanRefer.overall.acc25),
    acc50: percent(scanRefer.overall.acc50),
    ...(scanRefer.unique.n === 0
      ? {}
      : { unique25: percent(scanRefer.unique.acc25), unique50: percent(scanRefer.unique.acc50) }),
    ...(scanRefer.multiple.n === 0
      ? {}
      : { multiple25: percent(scanRefer.multiple.acc25), multiple50: percent(scanRefer.multiple.acc50) }),
    ...split("easy25", refer.easy),
    ...split("hard25", refer.hard),
    ...split("dep25", refer.dependent),
    ...split("indep25", refer.independent),
    ...(silent === 0 ? {} : { withoutGround: percent(silent / answers.length) }),
    ...(written.length === 0 ? {} : { wrongWords: percent(wrong / written.length) }),
    byRelation: Object.fromEntries(
      kinds.map((kind) => [kind, percent(shareOf(hits, (i) => queries[i]!.relation === kind).share)]),
    ),
    pairAccuracy: Object.fromEntries(
      kinds.flatMap((kind) => {
        const own = pairs.filter(([i]) => queries[i]!.relation === kind);
        return own.length === 0
          ? []
          : [[kind, percent(own.filter(([i, j]) => hits[i]! && hits[j]!).length / own.length)]];
      }),
    ),
  };
}

/** Share, in percent, of the words of the answered sentences that the tokenizer does not know; {} when it knows all. */
export function unknownWords(answers: readonly Answer[], tokenizer: Tokenizer): { unknownWords?: number } {
  const share = tokenizer.unknownShare(answers.map(({ query }) => query.description));
  return share === 0 ? {} : { unknownWords: percent(share) };
}

/** The scores of each set of sentences; undefined where all come from one. */
export function scoreBySet(
  answers: readonly Answer[],
  classOf: ClassOf,
): Record<string, { n: number; metrics: Scores }> | undefined {
  const sets = [...new Set(answers.map(({ query }) => query.dataset))].sort();
  if (sets.length < 2) return undefined;
  return Object.fromEntries(
    sets.map((set) => {
      const own = answers.filter(({ query }) => query.dataset === set);
      return [set, { n: own.length, metrics: scoreAnswers(own, classOf) }];
    }),
  );
}

/**
 * What guesses without a picture reach, and what no choice among the proposals can exceed; percent at IoU 0.25 (and
 * 0.5).
 */
export interface Bounds {
  readonly baselines: { readonly random: number; readonly rightClass: number };
  readonly upperBound: { readonly acc25: number; readonly acc50: number };
}

/** Expected accuracy of picking any proposal, or any of the right class, at random; and the best possible choice. */
export function boundsOf(scenes: readonly SceneSentences[], source: ProposalSource): Bounds {
  let n = 0,
    random = 0,
    rightClass = 0,
    best25 = 0,
    best50 = 0;
  for (const { scene, queries } of scenes) {
    const boxes = scene.boxes(source);
    const labels =
      source === "gt" ? scene.entry.objects.map((o) => o.label) : scene.entry.proposals.map((p) => p.label);
    for (const query of queries) {
      const overlaps = boxes.map((box) => iou(box, scene.entry.objects[query.targetId]!.box));
      const right = overlaps.filter((_, i) => labels[i] === query.category);
      const share = (list: readonly number[]): number =>
        list.length === 0 ? 0 : list.filter((x) => x >= 0.25).length / list.length;
      n += 1;
      random += share(overlaps);
      rightClass += share(right);
      const best = Math.max(0, ...overlaps);
      best25 += best >= 0.25 ? 1 : 0;
      best50 += best >= 0.5 ? 1 : 0;
    }
  }
  return {
    baselines: { random: percent(random / n), rightClass: percent(rightClass / n) },
    upperBound: { acc25: percent(best25 / n), acc50: percent(best50 / n) },
  };
}
