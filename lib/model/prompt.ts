import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { Query } from "../datasets/scene";
import type { Tokenizer } from "../io/tokenizer";

export const groundToken = "<ground>";
/** What the model adds to Qwen2's vocabulary, in the released order of ids (spec 2.9); only <ground> is used. */
export const addedTokens = ["<image>", groundToken, "<coord>"] as const;

/** The part of a prompt that every sentence shares: token ids around the image, and which of them are supervised. */
export interface SharedPrompt {
  readonly before: readonly number[];
  readonly after: readonly number[];
  /**
   * Positions in `before` followed by `after` whose token is a label (Qwen's turn marks stay supervised in the
   * release).
   */
  readonly supervised: readonly { readonly part: "before" | "after"; readonly at: number }[];
}

/** One sentence with its answer, as tokens behind the shared prompt. */
export interface EncodedSentence {
  readonly ids: readonly number[];
  /** Where the answer begins. */
  readonly answer: number;
  /** Index of <ground>. */
  readonly ground: number;
  /** Indices whose token is a label; index 0 is predicted by the prompt's last token. */
  readonly supervised: readonly number[];
  /**
   * Last token of each anchor noun, with the anchor's object id; of an attribute sentence the last word, with the
   * target's.
   */
  readonly anchors: readonly { readonly at: number; readonly object: number }[];
}

const system = "You are a helpful assistant.";
const instruction = "The video shows the 3D space of one scene. Find the object that fits the description.";

function concat(parts: readonly (readonly number[])[]): number[] {
  return ([] as number[]).concat(...parts);
}

/** Prompt of spec 2.11: Qwen's ChatML around the image, or nothing at all for "compact". */
export function sharedPrompt(tokenizer: Tokenizer, config: S2Config["prompt"]): SharedPrompt {
  if (config.template === "compact") return { before: [], after: [], supervised: [] };
  const start = tokenizer.id("<|im_start|>");
  const end = tokenizer.id("<|im_end|>");
  const newline = tokenizer.encode("\n");
  const text = (t: string): number[] => tokenizer.encode(t);
  // text between two marks is encoded as a whole: Qwen's tokenizer makes one token of a full stop and a line's end
  const before = concat([[start], text(`system\n${system}`), [end], newline, [start], text("user\n")]);
  const after = text(`\n${instruction}\n`);
  const marks = new Set([start, end, ...newline]);
  const supervised = [
    ...before.flatMap((id, at) => (marks.has(id) && at > 0 ? [{ part: "before" as const, at }] : [])),
    ...after.flatMap((id, at) => (marks.has(id) ? [{ part: "after" as const, at }] : [])),
  ];
  return { before, after, supervised };
}

/** The answer up to and including <ground>, then what follows it. */
function answerText(category: string, config: S2Config["prompt"]): { upTo: string; behind: string } {
  if (config.answer === "ground") return { upTo: groundToken, behind: "" };
  return config.template === "compact"
    ? { upTo: `${category} is located at ${groundToken}`, behind: "" }
    : { upTo: `The ${category} is located at ${groundToken}`, behind: " in global coordinates." };
}

/** The assistant's role header behind <|im_start|>; part of its turn. */
const header = "assistant\n";
const noMarks: ReadonlySet<number> = new Set();

/** The tokens of a description and of the turn marks behind it, without the answer. */
function questionIds(
  tokenizer: Tokenizer,
  description: string,
  config: S2Config["prompt"],
): { ids: number[]; marks: ReadonlySet<number> } {
  if (config.template === "compact") {
    const ids = tokenizer.encode(description);
    ids.push(tokenizer.id(":"));
    return { ids, marks: noMarks };
  }
  const start = tokenizer.id("<|im_start|>");
  const end = tokenizer.id("<|im_end|>");
  const newline = tokenizer.encode("\n");
  const shown = description.charAt(0).toUpperCase() + description.slice(1);
  return {
    ids: concat([tokenizer.encode(shown), [end], newline, [start], tokenizer.encode(header)]),
    marks: new Set([start, end, ...newline]),
  };
}

/** The question alone: what generation starts from. */
export function encodeQuestion(tokenizer: Tokenizer, query: Query, config: S2Config["prompt"]): number[] {
  return questionIds(tokenizer, query.description, config).ids;
}

/**
 * A sentence and its answer as token ids, with labels and anchor nouns.
 *
 * @param category what stands before <ground>; the true one in training
 * @throws UserError for an empty description
 */
export function encodeSentence(
  tokenizer: Tokenizer,
  query: Query,
  category: string,
  config: S2Config["prompt"],
): EncodedSentence {
  if (query.description.trim() === "") {
    throw new UserError(`sentence ${query.id}: the description is empty; remove the entry or give it text`);
  }
  const question = questionIds(tokenizer, query.description, config);
  const { upTo, behind } = answerText(category, config);
  const head = tokenizer.encode(upTo);
  const closing =
    config.template === "compact"
      ? []
      : concat([tokenizer.encode(behind), [tokenizer.id("<|im_end|>")], tokenizer.encode("\n")]);
  const ids = concat([question.ids, head, closing]);
  const ground = question.ids.length + head.length - 1;
  if (ids[ground] !== tokenizer.id(groundToken)) {
    throw new UserError(
      `sentence ${query.id}: the tokenizer ${tokenizer.origin} splits ${groundToken}; add it as a special token`,
    );
  }
  // of the compact prompt all but the colon
  const words = config.template === "compact" ? question.ids.length - 1 : question.ids.length;
  const turn = config.template === "compact" ? question.ids.length : question.ids.length - 1 - tokenizer.count(header);
  const supervised: number[] = [];
  for (let at = question.marks.size === 0 ? turn : 0; at < ids.length; at++) {
    if (at >= turn || question.marks.has(ids[at]!)) supervised.push(at);
  }
  const anchors = query.anchorIds.flatMap((object, i) => {
    const word = query.anchorWords[i];
    const at =
      word === undefined ? undefined : nounToken(tokenizer, query.description, word, query.anchorWords.slice(0, i));
    return at === undefined || at >= words ? [] : [{ at, object }];
  });
  // "the red chair" names its object by itself: its last word is grounded like a landmark's noun
  if (query.relation === "attribute")
    anchors.push({ at: tokenizer.count(query.description) - 1, object: query.targetId });
  return { ids, answer: question.ids.length, ground, supervised, anchors };
}

/** Index of the last token of the noun phrase `word`, skipping the occurrences that earlier equal anchors took. */
function nounToken(
  tokenizer: Tokenizer,
  description: string,
  word: string,
  earlier: readonly string[],
): number | undefined {
  let from = 0;
  for (let skip = earlier.filter((w) => w === word).length; ; skip--) {
    const start = description.indexOf(word, from);
    if (start < 0) return undefined;
    if (skip === 0) return tokenizer.count(description.slice(0, start + word.length)) - 1;
    from = start + word.length;
  }
}
