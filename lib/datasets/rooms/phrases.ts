import type { Rng } from "../../core/rng";
import type { RelationKind } from "../scene";
import { type ColourName, classes, classNames, colourNames } from "./classes";
import type { Side } from "./relations";
import type { ClassName } from "./shapes";

/**
 * Slots: C class of the answer, CS its plural with a comma, K and A colour and class of the anchor, K2 and A2 of the
 * second one.
 */
const templates = {
  closest: [
    ["the", "C", "closest to the", "K", "A"],
    ["the", "C", "nearest to the", "K", "A"],
    ["the", "C", "that is closest to the", "K", "A"],
    ["of the", "CS", "the one closest to the", "K", "A"],
    ["of the", "CS", "the one nearest to the", "K", "A"],
  ],
  farthest: [
    ["the", "C", "farthest from the", "K", "A"],
    ["the", "C", "most distant from the", "K", "A"],
    ["the", "C", "that is farthest from the", "K", "A"],
    ["of the", "CS", "the one farthest from the", "K", "A"],
    ["of the", "CS", "the one most distant from the", "K", "A"],
  ],
  between: [
    ["the", "C", "between the", "K", "A", "and the", "K2", "A2"],
    ["the", "C", "in between the", "K", "A", "and the", "K2", "A2"],
    ["the", "C", "that is between the", "K", "A", "and the", "K2", "A2"],
    ["of the", "CS", "the one between the", "K", "A", "and the", "K2", "A2"],
  ],
  support: [
    ["the", "C", "on the", "K", "A"],
    ["the", "C", "on top of the", "K", "A"],
    ["the", "C", "that stands on the", "K", "A"],
    ["of the", "CS", "the one on the", "K", "A"],
  ],
  leftmost: [
    ["facing the", "K", "A", "from the middle of the room, the leftmost", "C"],
    ["the leftmost", "C", "when facing the", "K", "A", "from the middle of the room"],
    ["of the", "CS", "the leftmost one when facing the", "K", "A", "from the middle of the room"],
  ],
  rightmost: [
    ["facing the", "K", "A", "from the middle of the room, the rightmost", "C"],
    ["the rightmost", "C", "when facing the", "K", "A", "from the middle of the room"],
    ["of the", "CS", "the rightmost one when facing the", "K", "A", "from the middle of the room"],
  ],
  /** From a stated viewpoint: standing at the first, facing the second. */
  left: [
    ["the", "C", "on the left when standing at the", "K", "A", "and facing the", "K2", "A2"],
    ["when you stand at the", "K", "A", "and face the", "K2", "A2", "it is the", "C", "on your left"],
    ["the", "C", "on the left of someone at the", "K", "A", "who looks at the", "K2", "A2"],
  ],
  right: [
    ["the", "C", "on the right when standing at the", "K", "A", "and facing the", "K2", "A2"],
    ["when you stand at the", "K", "A", "and face the", "K2", "A2", "it is the", "C", "on your right"],
    ["the", "C", "on the right of someone at the", "K", "A", "who looks at the", "K2", "A2"],
  ],
  behind: [
    ["the", "C", "that is behind when standing at the", "K", "A", "and facing the", "K2", "A2"],
    ["when you stand at the", "K", "A", "and face the", "K2", "A2", "it is the", "C", "behind you"],
    ["the", "C", "behind someone at the", "K", "A", "who looks at the", "K2", "A2"],
  ],
  /** The colour tells instances of the class apart. */
  coloured: [
    ["the", "K", "C"],
    ["find the", "K", "C"],
    ["it is the", "K", "C"],
  ],
  /** The only object of its class. */
  unique: [
    ["the", "C"],
    ["the only", "C"],
    ["the", "K", "C"],
    ["find the", "K", "C"],
  ],
} as const satisfies Record<string, readonly (readonly string[])[]>;
export type TemplateSet = keyof typeof templates;

const slots = ["C", "CS", "K", "A", "K2", "A2"] as const;
const isSlot = (word: string): boolean => (slots as readonly string[]).includes(word);
const pluralPhrase = (label: ClassName): string => `${classes[label].plural},`;

function phrasesOf(choose: (all: typeof templates) => Partial<typeof templates>): readonly string[] {
  return [
    ...new Set(
      Object.values(choose(templates))
        .flat(2)
        .filter((word) => !isSlot(word)),
    ),
    ...classNames,
    ...classNames.map(pluralPhrase),
    ...classNames.flatMap((label) => colourNames.map((colour) => `${colour} ${label}`)),
  ];
}

/**
 * Every sentence of the default S2-Rooms is a sequence of these phrases with single spaces between, so a tokenizer may
 * make one
 * token of each: fixed phrases, class names alone and with a colour, and plurals (always before a comma). A colour
 * and its
 * noun are one phrase because binding the two is a language skill: it takes a small model longer than all the rest,
 * and a
 * pretrained one brings it along.
 */
export const sentencePhrases: readonly string[] = phrasesOf(({ left: _l, right: _r, behind: _b, ...usual }) => usual);

/** The same with the phrases that only some sets of rooms have. */
export const allPhrases: readonly string[] = phrasesOf((all) => all);

export interface NamedObject {
  readonly label: ClassName;
  readonly colour: ColourName;
}

/** Which templates word a statement. */
export function templateSet(kind: RelationKind, side: Side | undefined, lone: boolean): TemplateSet {
  if (kind === "view" || kind === "viewpoint") return side!;
  if (kind === "attribute") return lone ? "unique" : "coloured";
  if (kind === "vertical" || kind === "allocentric" || kind === "several")
    throw new RangeError(`S2-Rooms has no "${kind}" sentences`);
  return kind;
}

export const wordings = (set: TemplateSet): number => templates[set].length;

/**
 * One wording of a statement.
 *
 * @param anchors named in this order; for attributes the target itself
 */
export function phrase(
  set: TemplateSet,
  wording: number,
  target: NamedObject,
  anchors: readonly NamedObject[],
): string {
  const [first, second] = anchors;
  const fill: Record<(typeof slots)[number], string> = {
    C: target.label,
    CS: pluralPhrase(target.label),
    K: first?.colour ?? target.colour,
    A: first?.label ?? "",
    K2: second?.colour ?? "",
    A2: second?.label ?? "",
  };
  return templates[set][wording]!.map((word) => (isSlot(word) ? fill[word as (typeof slots)[number]] : word)).join(" ");
}

/** What a sentence says by its template. */
export interface Reading {
  readonly set: TemplateSet;
  readonly label: ClassName;
  /** Of the object that is asked for, where it is said. */
  readonly colour?: ColourName;
  readonly anchors: readonly NamedObject[];
}

const patterns = (Object.entries(templates) as [TemplateSet, readonly (readonly string[])[]][]).flatMap(
  ([set, wordings]) =>
    wordings.map((template) => {
      const form: Record<string, string> = {
        C: `(?<C>${classNames.join("|")})`,
        CS: `(?<CS>${classNames.map(pluralPhrase).join("|")})`,
        K: `(?<K>${colourNames.join("|")})`,
        A: `(?<A>${classNames.join("|")})`,
        K2: `(?<K2>${colourNames.join("|")})`,
        A2: `(?<A2>${classNames.join("|")})`,
      };
      return { set, pattern: new RegExp(`^${template.map((word) => form[word] ?? word).join(" ")}$`) };
    }),
);

/** Reads a sentence of the templates; undefined for any other. */
export function readPhrase(text: string): Reading | undefined {
  for (const { set, pattern } of patterns) {
    const found = pattern.exec(text)?.groups as Partial<Record<(typeof slots)[number], string>> | undefined;
    if (found === undefined) continue;
    const label = found.C ?? classNames.find((name) => pluralPhrase(name) === found.CS);
    const anchor = (label_?: string, colour?: string): NamedObject[] =>
      label_ === undefined ? [] : [{ label: label_ as ClassName, colour: colour as ColourName }];
    return {
      set,
      label: label as ClassName,
      ...(found.A === undefined && found.K !== undefined ? { colour: found.K as ColourName } : {}),
      anchors: [...anchor(found.A, found.K), ...anchor(found.A2, found.K2)],
    };
  }
  return undefined;
}

/** Words and punctuation marks, as ScanRefer's `token` lists them. */
export function words(description: string): string[] {
  return description.match(/[a-z]+|[.,]/g) ?? [];
}

/** `n` split over weights: whole parts, the remainder by chance in proportion, so that the mean is exact. */
export function quotas<K extends string>(n: number, weights: ReadonlyMap<K, number>, rng: Rng): Map<K, number> {
  const sum = [...weights.values()].reduce((a, b) => a + b, 0);
  const out = new Map<K, number>();
  const rests = new Map<K, number>();
  let left = n;
  for (const [key, weight] of weights) {
    const share = (n * weight) / sum;
    out.set(key, Math.floor(share));
    rests.set(key, share - Math.floor(share));
    left -= Math.floor(share);
  }
  for (; left > 0; left--) {
    const keys = [...rests.keys()];
    const key = rng.weighted(
      keys,
      keys.map((k) => rests.get(k)!),
    );
    out.set(key, out.get(key)! + 1);
    rests.delete(key);
  }
  return out;
}
