import type { Rng } from "../../core/rng";
import type { Clause } from "../scene";
import { classes, classNames, colourNames } from "./classes";
import { satisfying } from "./clauses";
import type { RoomsConfig } from "./config";
import type { Layout, RoomObject } from "./layout";
import type { RoomSentence, Shown } from "./sentences";

type Kind = Clause["kind"];

/** Verb phrases of each clause, true and false; A and B stand for its anchors. */
const verbPhrases: Record<Kind, { readonly yes: readonly string[]; readonly no: readonly string[] }> = {
  closest: {
    yes: [
      "is closest to A",
      "is the closest one to A",
      "is the one nearest to A",
      "stands nearest to A",
      "is nearer to A than all the others",
    ],
    no: ["is not the closest one to A", "is not the one nearest to A", "does not stand nearest to A"],
  },
  farthest: {
    yes: [
      "is farthest from A",
      "is the farthest one from A",
      "is the most distant one from A",
      "is farther away from A than all the others",
    ],
    no: ["is not the farthest one from A", "is not the most distant one from A"],
  },
  near: {
    yes: ["is near A", "is close to A", "is next to A", "stands close to A", "is standing near A"],
    no: ["is not near A", "is not close to A", "is not next to A", "does not stand close to A"],
  },
  far: { yes: ["is far from A", "is far away from A", "stands a long way from A"], no: [] },
  nearer: {
    yes: ["is closer to A than to B", "is nearer to A than to B", "stands closer to A than to B"],
    no: ["is not closer to A than to B", "is not nearer to A than to B"],
  },
  between: {
    yes: [
      "is between A and B",
      "is in between A and B",
      "stands between A and B",
      "has A on one side and B on the other",
    ],
    no: ["is not between A and B", "does not stand between A and B"],
  },
  on: {
    yes: ["is on A", "is on top of A", "stands on A", "is placed on top of A", "sits on A"],
    no: ["is not on A", "is not the one on top of A", "does not stand on A"],
  },
  left: {
    yes: [
      "is on the left when you stand at A and face B",
      "is on your left when standing at A and facing B",
      "is to the left if you look at B from A",
    ],
    no: ["is not on the left when you stand at A and face B", "is not to the left if you look at B from A"],
  },
  right: {
    yes: [
      "is on the right when you stand at A and face B",
      "is on your right when standing at A and facing B",
      "is to the right if you look at B from A",
    ],
    no: ["is not on the right when you stand at A and face B", "is not to the right if you look at B from A"],
  },
  taller: {
    yes: ["is taller than A", "is higher than A"],
    no: ["is lower than A", "is not as tall as A", "is shorter than A"],
  },
};

/** First sentences. N: how many of the class there are, where they are several. */
const openings = {
  any: [
    "this is AK C.",
    "there is AK C in the room.",
    "it is AK C.",
    "we are looking for AK C.",
    "look for the K C.",
    "the C is K.",
    "you can see AK C here.",
  ],
  several: [
    "there are N CS in the room.",
    "this is one of the N CS.",
    "it is one of the N K CS in this room.",
    "of the N CS here only one is meant.",
  ],
} as const;
/** Begin a sentence that names an object by a relative clause. */
const searches = ["find the K C", "look for the C", "the object is the C", "this is the C", "it is the K C"] as const;
/** Introduce an anchor, which "it" stands for in the next sentence. */
const landmarks = ["look at A.", "first find A.", "begin at A.", "in this room you see A."] as const;
const subjects = ["it", "it", "it", "the C", "this one", "this C", "the one we mean"] as const;
const counts = ["no", "one", "two", "three", "four", "five", "six"] as const;

/** What stands between the words of these sentences. */
export const naturalMarks = ",.";

/** Every word of these sentences, for a tokenizer; a colour and its noun may be one token, as in other sets. */
export const naturalWords: readonly string[] = [
  ...new Set(
    [
      ...Object.values(verbPhrases).flatMap(({ yes, no }) => [...yes, ...no]),
      ...Object.values(openings).flat(),
      ...searches,
      ...landmarks,
      ...subjects,
      ...counts,
      ...colourNames,
      ...classNames,
      ...classNames.map((label) => classes[label].plural),
      "a an the that and but",
    ]
      .join(" ")
      .match(/[a-z]+/g)!,
  ),
].sort();

/** The same as phrases of a tokenizer, with the marks that stand between: a colour and its noun are one. */
export const naturalPhrases: readonly string[] = [
  ...naturalWords,
  ...classNames.flatMap((label) => [label, classes[label].plural]),
  ...classNames.flatMap((label) => colourNames.map((colour) => `${colour} ${label}`)),
  ...naturalMarks,
];

const withArticle = (noun: string): string => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;

/** One description while it is written: how its objects are called, and which anchors it has named so far. */
class Description {
  readonly anchors: number[] = [];
  readonly #target: RoomObject;

  constructor(
    target: RoomObject,
    private readonly objects: readonly RoomObject[],
    private readonly rng: Rng,
  ) {
    this.#target = target;
  }

  /** "the red table", or "the table" where there is but one. */
  #name(id: number): string {
    const { label, colour } = this.objects[id]!;
    const lone = this.objects.filter((o) => o.label === label).length === 1;
    this.anchors.push(id);
    return lone && this.rng.next() < 0.4 ? `the ${label}` : `the ${colour} ${label}`;
  }

  /** A template with its slots filled; `it` replaces A. */
  fill(template: string, [first, second]: readonly number[] = [], it = false): string {
    const { label, colour } = this.#target;
    const { plural } = classes[label];
    const n = this.objects.filter((o) => o.label === label).length;
    // in the order in which they are named: anchors are listed so
    return template.replace(/\b(AK|CS|A|B|C|K|N)\b/g, (slot) => {
      switch (slot) {
        case "A":
          return it ? "it" : this.#name(first!);
        case "B":
          return this.#name(second!);
        case "AK":
          return withArticle(colour);
        case "CS":
          return plural;
        case "C":
          return label;
        case "K":
          return colour;
        default:
          return counts[n]!;
      }
    });
  }

  verb({ kind, anchors, negated = false }: Clause, it = false): string {
    return this.fill(this.rng.pick(verbPhrases[kind][negated ? "no" : "yes"]), anchors, it);
  }

  subject(): string {
    return this.fill(this.rng.pick(subjects));
  }
}

/** The words of a description that says `clauses` of `target`. */
function describe(
  target: RoomObject,
  clauses: readonly Clause[],
  objects: readonly RoomObject[],
  rng: Rng,
): Pick<RoomSentence, "anchors" | "text"> {
  const text = new Description(target, objects, rng);
  const several = objects.some((o) => o !== target && o.label === target.label);
  const parts: string[] = [];
  let rest = [...clauses];
  /** `subject` and what is said of it by the next clause, or by the next two in one sentence. */
  const statement = (subject: string, joined: boolean): string => {
    const [first, second, ...others] = rest as [Clause, Clause?];
    const said = text.verb(first);
    if (!joined || second === undefined) {
      rest = rest.slice(1);
      return `${subject} ${said}.`;
    }
    rest = others;
    const joint = second.negated === true && first.negated !== true ? " but " : rng.pick([" and ", ", and it "]);
    return `${subject} ${said}${joint}${text.verb(second)}.`;
  };
  const [first] = clauses as [Clause, ...Clause[]];
  const style = rng.next();
  if (style < 0.15 && first.anchors.length === 1 && first.kind !== "on") {
    parts.push(text.fill(rng.pick(landmarks), first.anchors));
    parts.push(`${text.fill(rng.pick(["the C we mean", "the K C"]))} ${text.verb(first, true)}.`);
    rest = rest.slice(1);
  } else if (style < 0.4) {
    parts.push(`${text.fill(rng.pick(searches))} that ${text.verb(first)}.`);
    rest = rest.slice(1);
  } else {
    const kinds = several && rng.next() < 0.4 ? openings.several : openings.any;
    parts.push(text.fill(rng.pick(kinds)));
  }
  while (rest.length > 0) parts.push(statement(text.subject(), rng.next() < 0.5));
  return { anchors: text.anchors, text: parts.join(" ") };
}

/** What may be said of a group: clauses that are decided for all of it. */
function sayable(
  group: readonly RoomObject[],
  { objects }: Layout,
  anchors: readonly RoomObject[],
  margins: RoomsConfig["margins"],
): Clause[] {
  const small = group.some((o) => o.role === "small");
  const one: Kind[] = small ? ["on", "far"] : ["closest", "farthest", "near", "far", "taller"];
  const two: Kind[] = small ? ["left", "right"] : ["nearer", "between", "left", "right"];
  const named = anchors.filter((a) => a.label !== group[0]!.label);
  const all = named.flatMap((a) => [
    ...one.map((kind) => ({ kind, anchors: [a.id] })),
    ...named.flatMap((b) =>
      a === b ? [] : two.map((kind): { kind: Kind; anchors: number[] } => ({ kind, anchors: [a.id, b.id] })),
    ),
  ]);
  return all.filter((clause) => satisfying([clause], group, objects, margins) !== undefined);
}

const maxClauses = 3;

/**
 * Clauses that together are true of one object alone; each is needed, where the class has others.
 *
 * @param literals clauses that are true of that object
 * @returns undefined where a number of draws found none
 */
function draw(
  group: readonly RoomObject[],
  literals: ReadonlyMap<Kind, readonly Clause[]>,
  { objects }: Layout,
  margins: RoomsConfig["margins"],
  rng: Rng,
): Clause[] | undefined {
  const fits = (clauses: readonly Clause[]): boolean => satisfying(clauses, group, objects, margins)!.length === 1;
  for (let attempt = 0; attempt < 60; attempt++) {
    const wanted = rng.weighted([1, 2, maxClauses], [0.15, 0.65, 0.2]);
    const kinds = rng.shuffle([...literals.keys()]).slice(0, wanted);
    const clauses = kinds.map((kind) => rng.pick(literals.get(kind)!));
    if (clauses.filter(({ negated }) => negated === true).length > 1) continue;
    if (group.length === 1) return clauses;
    if (!fits(clauses)) continue;
    if (clauses.length > 1 && clauses.some((_, i) => fits(clauses.filter((__, j) => j !== i)))) continue;
    return clauses;
  }
  return undefined;
}

/** Draws that may fail, or repeat a text, before a room is done. */
const patience = 200;

/**
 * Descriptions of a room's objects in ScanRefer's manner: two or three sentences of one to three clauses, true of one
 * object alone. A fifth are of objects without another of their class; the answers of a class are drawn uniformly among
 * those that can be told.
 */
export function describeObjects(
  layout: Layout,
  shown: Shown,
  count: number,
  config: RoomsConfig,
  rng: Rng,
): RoomSentence[] {
  const { objects } = layout;
  const anchors = objects.filter((o) => o.role === "anchor" && shown.relation.has(o.id));
  const groups = [...new Set(objects.filter((o) => o.role !== "anchor").map((o) => o.label))].flatMap((label) => {
    const group = objects.filter((o) => o.label === label);
    const clauses = sayable(group, layout, anchors, config.margins);
    const answers = group.flatMap((target) => {
      const literals = new Map<Kind, Clause[]>();
      for (const clause of clauses) {
        const negated = !satisfying([clause], group, objects, config.margins)!.includes(target.id);
        if (verbPhrases[clause.kind][negated ? "no" : "yes"].length === 0) continue;
        const said = negated ? { ...clause, negated } : clause;
        literals.set(clause.kind, [...(literals.get(clause.kind) ?? []), said]);
      }
      const tell = (): Clause[] | undefined => draw(group, literals, layout, config.margins, rng);
      return shown.relation.has(target.id) && literals.size > 0 && tell() !== undefined ? [{ target, tell }] : [];
    });
    const fair = group.length === 1 ? answers.length === 1 : answers.length >= 2;
    return fair ? [{ answers, lone: group.length === 1, round: [] as typeof answers }] : [];
  });
  const out: RoomSentence[] = [];
  const said = new Set<string>();
  for (let failed = 0; out.length < count && failed < patience; ) {
    const lone = rng.next() < 0.2;
    const able = groups.filter((group) => group.lone === lone);
    if (able.length === 0) {
      failed++;
      continue;
    }
    const group = rng.pick(able);
    if (group.round.length === 0) group.round = rng.shuffle(group.answers);
    const { target, tell } = group.round.pop()!;
    const clauses = tell();
    const worded = clauses && describe(target, clauses, objects, rng);
    if (worded === undefined || said.has(worded.text)) {
      failed++;
      continue;
    }
    said.add(worded.text);
    out.push({ kind: "several", target: target.id, anchors: worded.anchors, clauses, text: worded.text });
  }
  return out;
}
