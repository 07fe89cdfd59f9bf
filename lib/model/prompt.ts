import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { Query } from "../datasets/scene";
import type { Tokenizer } from "../io/tokenizer";

export const groundToken = "<ground>";
/** What the model adds to Qwen2's vocabulary, in the released order of ids (spec 2.9); only <ground> is used. */
export const addedTokens = ["<image>", groundToken, "<coord>"] as const;

/** Tokens with which Qwen2 ends an answer. */
export const endTokens = ["<|im_end|>", "<|endoftext|>"] as const;

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
/** In training only, unless `prompt.spatialInstruction` says otherwise. */
const spatialInstruction =
  "The video captures 3D spatial information of a scene. " +
  "Please focus on the spatial relationships in the video and answer the following questions.";
const instruction = "Identify the object according to the following description.";
/** What the release's preparation of Nr3D puts behind each description. */
const nr3dNote = "There may be no corresponding object, or there may be one or more objects.";

/** What a prompt is for: the release's differs between the two. */
export type PromptUse = "train" | "evaluate";

function concat(parts: readonly (readonly number[])[]): number[] {
  return ([] as number[]).concat(...parts);
}

/** ids of the tokens that stay supervised outside the assistant's turn: Qwen's turn marks and a single line's end. */
function turnMarks(tokenizer: Tokenizer): { start: number; end: number; newline: number[]; all: ReadonlySet<number> } {
  const [start, end, newline] = [tokenizer.id("<|im_start|>"), tokenizer.id("<|im_end|>"), tokenizer.encode("\n")];
  return { start, end, newline, all: new Set([start, end, ...newline]) };
}

/**
 * What every sentence's prompt begins with (paper spec 2.11 and 13): Qwen's ChatML with the image in the user turn and
 * the instruction behind it; nothing at all for "compact".
 */
export function sharedPrompt(tokenizer: Tokenizer, config: S2Config["prompt"], use: PromptUse): SharedPrompt {
  if (config.template === "compact") return { before: [], after: [], supervised: [] };
  const { start, end, newline, all: marks } = turnMarks(tokenizer);
  // text between two special tokens is encoded as a whole: Qwen's tokenizer joins a full stop and a line's end
  const before = concat([
    [start],
    tokenizer.encode(`system\n${system}`),
    [end],
    newline,
    [start],
    tokenizer.encode("user\n"),
  ]);
  const spatial = config.spatialInstruction === "both" || config.spatialInstruction === use;
  const after = tokenizer.encode(`\n${spatial ? `${spatialInstruction}\n` : ""}${instruction}\n`);
  const supervised = [
    ...before.flatMap((id, at) => (marks.has(id) && at > 0 ? [{ part: "before" as const, at }] : [])),
    ...after.flatMap((id, at) => (marks.has(id) ? [{ part: "after" as const, at }] : [])),
  ];
  return { before, after, supervised };
}

/** Python's `str.capitalize()`: the first letter upper, all others lower. */
function capitalize(text: string): string {
  const [first = "", ...others] = text;
  const [upper = "", ...more] = first.toUpperCase();
  return upper + (more.join("") + others.join("")).toLowerCase();
}

/** A description as the user turn shows it, and what the turn says behind it. */
function userText({ description, dataset }: Query, config: S2Config["prompt"]): { shown: string; note: string } {
  if (config.template === "compact") return { shown: description, note: "" };
  return { shown: capitalize(description), note: dataset === "nr3d" ? `\n${nr3dNote}` : "" };
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
  query: Query,
  config: S2Config["prompt"],
): { ids: number[]; marks: ReadonlySet<number> } {
  if (query.description.trim() === "")
    throw new UserError(`sentence ${query.id}: the description is empty; remove the entry or give it text`);
  if (query.description.includes(groundToken))
    throw new UserError(
      `sentence ${query.id}: the description holds ${groundToken}, which marks the answer; remove it`,
    );
  const { shown, note } = userText(query, config);
  const text = tokenizer.encode(shown + note);
  if (config.template === "compact") return { ids: [...text, tokenizer.id(":")], marks: noMarks };
  const { start, end, newline, all } = turnMarks(tokenizer);
  return { ids: concat([text, [end], newline, [start], tokenizer.encode(header)]), marks: all };
}

/** The question alone: what generation starts from. @throws UserError for an empty description */
export function encodeQuestion(tokenizer: Tokenizer, query: Query, config: S2Config["prompt"]): number[] {
  return questionIds(tokenizer, query, config).ids;
}

/**
 * A sentence and its answer as token ids, with labels and anchor nouns.
 *
 * @param category what stands before <ground>; the true one in training
 * @throws UserError for an empty description, and where <ground> does not stand exactly once
 */
export function encodeSentence(
  tokenizer: Tokenizer,
  query: Query,
  category: string,
  config: S2Config["prompt"],
): EncodedSentence {
  const question = questionIds(tokenizer, query, config);
  const { upTo, behind } = answerText(category, config);
  const head = tokenizer.encode(upTo);
  const closing =
    config.template === "compact"
      ? []
      : concat([tokenizer.encode(behind), [tokenizer.id("<|im_end|>")], tokenizer.encode("\n")]);
  const ids = concat([question.ids, head, closing]);
  const ground = question.ids.length + head.length - 1;
  const groundId = tokenizer.id(groundToken);
  if (ids[ground] !== groundId)
    throw new UserError(
      `sentence ${query.id}: the tokenizer ${tokenizer.origin} splits ${groundToken}; add it as a special token`,
    );
  if (ids.indexOf(groundId) !== ground)
    throw new UserError(`sentence ${query.id}: the answer "${upTo}" has ${groundToken} twice; it marks one object`);
  // of the compact prompt all but the colon
  const words = config.template === "compact" ? question.ids.length - 1 : question.ids.length;
  const turn = config.template === "compact" ? question.ids.length : question.ids.length - 1 - tokenizer.count(header);
  const supervised: number[] = [];
  for (let at = question.marks.size === 0 ? turn : 0; at < ids.length; at++) {
    if (at >= turn || question.marks.has(ids[at]!)) supervised.push(at);
  }
  const { shown } = userText(query, config);
  const anchors = query.anchorIds.flatMap((object, i) => {
    const word = query.anchorWords[i];
    const at = word === undefined ? undefined : nounToken(tokenizer, shown, word, query.anchorWords.slice(0, i));
    return at === undefined || at >= words ? [] : [{ at, object }];
  });
  // "the red chair" names its object by itself: its last word is grounded like a landmark's noun
  if (query.relation === "attribute") anchors.push({ at: tokenizer.count(shown) - 1, object: query.targetId });
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
    const start = description.toLowerCase().indexOf(word.toLowerCase(), from);
    if (start < 0) return undefined;
    if (skip === 0) return tokenizer.count(description.slice(0, start + word.length)) - 1;
    from = start + word.length;
  }
}
