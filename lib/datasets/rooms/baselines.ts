import { mean } from "../../core/averages";
import { iou } from "../../geometry/box";
import { answerPairs } from "../pairs";
import type { Proposal, Query, RelationKind, SceneObject } from "../scene";
import { classes } from "./classes";
import type { RoomsConfig } from "./config";
import { oracleAnswer } from "./oracle";
import { floorDistance, type Named, statementsOf } from "./relations";
import type { ClassName } from "./shapes";

/** What can be said about a test question without a model. */
export interface Room {
  readonly objects: readonly SceneObject[];
  /** Their colours. */
  readonly colours: readonly string[];
  readonly proposals: readonly Proposal[];
  /** Ids of the objects that relations may ask for or name; all when absent. */
  readonly shown?: ReadonlySet<number>;
}

/** Guesses that know the class and the kind of sentence, but not which anchor it names. */
const blindRules: Partial<Record<RelationKind, Record<string, (o: Named, anchors: readonly Named[]) => number>>> = {
  closest: {
    "nearest to any anchor": (o, anchors) => -Math.min(...anchors.map((a) => floorDistance(o, a))),
    "smallest mean distance to the anchors": (o, anchors) => -meanDistance(o, anchors),
    "most central": (o) => -Math.hypot(o.box[0], o.box[1]),
  },
  farthest: {
    "largest mean distance to the anchors": (o, anchors) => meanDistance(o, anchors),
    "farthest from any anchor": (o, anchors) => Math.max(...anchors.map((a) => floorDistance(o, a))),
    "most peripheral": (o) => Math.hypot(o.box[0], o.box[1]),
  },
  between: {
    "most central": (o) => -Math.hypot(o.box[0], o.box[1]),
    "smallest mean distance to the anchors": (o, anchors) => -meanDistance(o, anchors),
  },
  support: { highest: (o) => o.box[2], lowest: (o) => -o.box[2] },
  viewpoint: {
    "most peripheral": (o) => Math.hypot(o.box[0], o.box[1]),
    "most central": (o) => -Math.hypot(o.box[0], o.box[1]),
  },
  view: {
    "most peripheral": (o) => Math.hypot(o.box[0], o.box[1]),
    "most central": (o) => -Math.hypot(o.box[0], o.box[1]),
  },
};

function meanDistance(o: Named, anchors: readonly Named[]): number {
  return anchors.reduce((sum, a) => sum + floorDistance(o, a), 0) / anchors.length;
}

export interface KindBaseline {
  readonly kind: RelationKind;
  readonly n: number;
  /** One of all objects at random. */
  readonly randomObject: number;
  /** One of the target's class at random. */
  readonly classOracle: number;
  /**
   * One of the objects that some sentence of this class and kind could mean: nothing that ignores the anchor does
   * better.
   */
  readonly anchorBlindBound?: number;
  /** True classes, colours and boxes, the sentence read by its template: the upper bound of the set. */
  readonly ruleOracle: number;
  /** Accuracy of simple rules that ignore the anchor. */
  readonly rules: Readonly<Record<string, number>>;
  /** Sentence pairs for pair accuracy. */
  readonly pairs: number;
  /**
   * Of two sentences of one room, class and kind with different anchors: share with different answers; undefined
   * without such two.
   */
  readonly changes?: number;
}

const isAnchor = (o: SceneObject): boolean => classes[o.label as ClassName]?.role === "anchor";

/** What each kind of question is worth without understanding it; fractions. */
export function baselines(
  queries: readonly Query[],
  rooms: ReadonlyMap<string, Room>,
  margins: RoomsConfig["margins"],
): KindBaseline[] {
  const kinds = [...new Set(queries.map((q) => q.relation))].filter((k): k is RelationKind => k !== undefined).sort();
  return kinds.map((kind) => {
    const mine = queries.filter((q) => q.relation === kind);
    const groupOf = (q: Query): SceneObject[] => rooms.get(q.sceneId)!.objects.filter((o) => o.label === q.category);
    const anchorsOf = (q: Query): SceneObject[] => rooms.get(q.sceneId)!.objects.filter(isAnchor);
    const rules = Object.entries(blindRules[kind] ?? {}).map(([name, score]) => {
      const hits = mine.map((q) => {
        const anchors = anchorsOf(q);
        const scored = groupOf(q).map((o) => ({ id: o.id, score: score(o, anchors) }));
        return scored.reduce((best, o) => (o.score > best.score ? o : best)).id === q.targetId ? 1 : 0;
      });
      return [name, mean(hits)] as const;
    });
    const relational = kind !== "attribute";
    const oracle = mine.map((q) => {
      const { objects, colours } = rooms.get(q.sceneId)!;
      return oracleAnswer(q, objects, colours, margins) === q.targetId ? 1 : 0;
    });
    const reachable = (q: Query): number => {
      const { shown } = rooms.get(q.sceneId)!;
      const may = (id: number): boolean => shown === undefined || shown.has(id);
      const anchors = anchorsOf(q).filter((o) => may(o.id));
      const reached = statementsOf(kind, groupOf(q), anchors, margins).map((r) => r.answer);
      return new Set(reached.filter(may)).size;
    };
    return {
      kind,
      n: mine.length,
      randomObject: mean(mine.map((q) => 1 / rooms.get(q.sceneId)!.objects.length)),
      classOracle: mean(mine.map((q) => 1 / groupOf(q).length)),
      ruleOracle: mean(oracle),
      // what several clauses could ask of others in the room is not listed
      anchorBlindBound: relational && kind !== "several" ? mean(mine.map((q) => 1 / reachable(q))) : undefined,
      rules: Object.fromEntries(rules),
      pairs: answerPairs(mine).length,
      changes: relational ? changeShare(mine) : undefined,
    };
  });
}

function changeShare(queries: readonly Query[]): number | undefined {
  let pairs = 0;
  let changed = 0;
  for (const [i, a] of queries.entries()) {
    for (const b of queries.slice(i + 1)) {
      if (b.sceneId !== a.sceneId) break;
      if (b.category !== a.category || [...a.anchorIds].sort().join() === [...b.anchorIds].sort().join()) continue;
      pairs++;
      if (a.targetId !== b.targetId) changed++;
    }
  }
  return pairs === 0 ? undefined : changed / pairs;
}

export interface ProposalBaseline {
  readonly perScene: number;
  /** Share of sentences whose target some proposal overlaps enough. */
  readonly upper25: number;
  readonly upper50: number;
  /** Any proposal at random, and any with the right label, IoU at least 0.25. */
  readonly random25: number;
  readonly classOracle25: number;
}

/** What the detector's boxes allow. */
export function proposalBaseline(queries: readonly Query[], rooms: ReadonlyMap<string, Room>): ProposalBaseline {
  const each = queries.map((q) => {
    const room = rooms.get(q.sceneId)!;
    const overlaps = room.proposals.map((p) => ({
      iou: iou(p.box, room.objects[q.targetId]!.box),
      right: p.label === q.category,
    }));
    const hits = (list: typeof overlaps): number =>
      list.length === 0 ? 0 : list.filter((o) => o.iou >= 0.25).length / list.length;
    const best = Math.max(0, ...overlaps.map((o) => o.iou));
    return { best, random: hits(overlaps), oracle: hits(overlaps.filter((o) => o.right)) };
  });
  return {
    perScene: mean([...rooms.values()].map((r) => r.proposals.length)),
    upper25: mean(each.map((e) => (e.best >= 0.25 ? 1 : 0))),
    upper50: mean(each.map((e) => (e.best >= 0.5 ? 1 : 0))),
    random25: mean(each.map((e) => e.random)),
    classOracle25: mean(each.map((e) => e.oracle)),
  };
}
