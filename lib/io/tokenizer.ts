import { readFileSync } from "node:fs";
import { Tokenizer as HfTokenizer } from "@huggingface/tokenizers";
import { z } from "zod";
import { UserError } from "../core/errors";
import { isJsonObject, type JsonObject } from "./json";

/** The kinds of tokenizer whose ids are those of Hugging Face's own library. */
const kinds = ["BPE", "WordLevel", "WordPiece"] as const;

const Kind = z.looseObject({
  model: z.looseObject({ type: z.string().optional(), vocab: z.unknown().refine((vocab) => vocab !== undefined) }),
  added_tokens: z.array(z.unknown()),
});

const Id = z.int().min(0);
const File = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: Id, content: z.string() })),
  model: z
    .looseObject({
      type: z.enum(kinds).optional(),
      vocab: z.record(z.string(), Id),
      merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).optional(),
      unk_token: z.string().nullish(),
      fuse_unk: z.boolean().nullish(),
      byte_fallback: z.boolean().nullish(),
    })
    .refine(({ type = "BPE", merges }) => type !== "BPE" || merges !== undefined, {
      path: ["merges"],
      message: "a BPE tokenizer needs its merges",
    }),
});

/** What Hugging Face's library takes for a letter of a word; to JavaScript's \w that is ASCII alone. */
const letters = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d";

/** A pre-tokenizer whose kind `Whitespace` splits words of any script. */
function withUnicodeWords(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(withUnicodeWords);
  if (!isJsonObject(part)) return part;
  if (part.type === "Whitespace") {
    const pattern = { Regex: `[${letters}]+|[^${letters}\\s]+` };
    return { type: "Split", pattern, behavior: "Removed", invert: true };
  }
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, withUnicodeWords(value)]));
}

/** What @huggingface/tokenizers reads in another way than Hugging Face's own library; undefined when nothing. */
function readOtherwise({ model, ...rest }: z.output<typeof File>): string | undefined {
  const { normalizer, pre_tokenizer } = rest as JsonObject;
  const pattern = JSON.stringify([normalizer, pre_tokenizer]).match(/"Regex":"[^"]*\\\\[wWdDbB]/)?.[0];
  if (pattern !== undefined) return `a pattern with ${pattern.slice(-2)}, which knows ASCII alone here`;
  const apart = pre_tokenizer !== undefined && pre_tokenizer !== null;
  if (model.fuse_unk === true && apart && model.unk_token != null && model.byte_fallback !== true)
    return "model.fuse_unk beside a pre_tokenizer, which fuses unknown words across blanks here";
  return undefined;
}

/** A tokenizer.json of Hugging Face's `tokenizers`, read from disk or made in memory. */
export class Tokenizer {
  readonly #hf: HfTokenizer;
  readonly #ids: Map<string, number>;
  readonly #tokens: string[] = [];
  readonly #unknown: number | undefined;
  /** Sentences recur (one a room, two passes an evaluation): most are looked up. */
  readonly #known = new Map<string, readonly number[]>();

  constructor(
    readonly json: TokenizerJson,
    readonly origin: string,
  ) {
    this.#hf = new HfTokenizer({ ...json, pre_tokenizer: withUnicodeWords(json.pre_tokenizer) }, {});
    this.#ids = new Map(Object.entries(json.model.vocab));
    for (const added of json.added_tokens) this.#ids.set(added.content, added.id);
    for (const [token, id] of this.#ids) this.#tokens[id] = token;
    this.#unknown = json.model.unk_token == null ? undefined : this.#ids.get(json.model.unk_token);
  }

  /** @throws UserError when the file is not a tokenizer.json of a kind that the lab reads */
  static read(file: string): Tokenizer {
    const bad = (why: string): UserError => new UserError(`tokenizer ${file}: ${why}`);
    let json: unknown;
    try {
      json = JSON.parse(readFileSync(file, "utf8").replace(/^\uFEFF/, ""));
    } catch (error) {
      throw bad((error as Error).message);
    }
    const kind = Kind.safeParse(json);
    if (!kind.success)
      throw bad(
        'expected a tokenizers "tokenizer.json" with model.vocab and added_tokens; take it from the checkpoint',
      );
    const { type = "BPE" } = kind.data.model;
    if (!(kinds as readonly string[]).includes(type))
      throw bad(`is of type ${type}, which the lab does not read; known: ${kinds.join(", ")}`);
    const parsed = File.safeParse(json);
    if (parsed.success) {
      const other = readOtherwise(parsed.data);
      if (other !== undefined) throw bad(`has ${other}: its ids would be others than the model's; it is not read`);
      try {
        return new Tokenizer(json as TokenizerJson, file);
      } catch (error) {
        throw bad(`has a part that is not read (${(error as Error).message}); take tokenizer.json from the checkpoint`);
      }
    }
    const { path, message } = parsed.error.issues[0]!;
    throw bad(`${path.join(".")}: ${message} (type ${type}); take tokenizer.json from the checkpoint again`);
  }

  /** Number of rows an embedding needs to hold every id. */
  get size(): number {
    return this.#tokens.length;
  }

  /** @throws UserError for a word outside the vocabulary when the tokenizer has no unknown token */
  encode(text: string): number[] {
    return this.#lookUp(text).slice();
  }

  /** How many tokens a text has. @throws UserError as `encode` */
  count(text: string): number {
    return this.#lookUp(text).length;
  }

  #lookUp(text: string): readonly number[] {
    if (text === "") return [];
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const { ids, tokens } = this.#hf.encode(text, { add_special_tokens: false });
    const found = ids.map((id: number | undefined, i: number) => {
      const sure = id ?? this.#unknown;
      if (sure === undefined) throw new UserError(`tokenizer ${this.origin}: no token for "${tokens[i]}" in "${text}"`);
      return sure;
    });
    this.#known.set(text, found);
    return found;
  }

  /**
   * Share of the tokens of some texts that the vocabulary does not have; 0 for a tokenizer without an unknown token.
   */
  unknownShare(texts: Iterable<string>): number {
    if (this.#unknown === undefined) return 0;
    let [unknown, all] = [0, 0];
    for (const text of texts) {
      const ids = this.#lookUp(text);
      all += ids.length;
      for (const id of ids) if (id === this.#unknown) unknown++;
    }
    return all === 0 ? 0 : unknown / all;
  }

  /** Id of one token. @throws UserError when it is not in the vocabulary */
  id(token: string): number {
    const id = this.#ids.get(token);
    if (id === undefined)
      throw new UserError(`tokenizer ${this.origin}: token "${token}" is missing; add it before training`);
    return id;
  }

  has(token: string): boolean {
    return this.#ids.has(token);
  }

  token(id: number): string {
    return this.#tokens[id] ?? `<${id}>`;
  }
}

export interface TokenizerJson {
  readonly version: string;
  readonly added_tokens: readonly { readonly id: number; readonly content: string; readonly [key: string]: unknown }[];
  readonly model: {
    readonly type: string;
    readonly vocab: Readonly<Record<string, number>>;
    readonly unk_token?: string | null;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

/** The tokenizer with further special tokens behind its last id; those that it has keep theirs. */
export function withTokens(json: TokenizerJson, tokens: readonly string[]): TokenizerJson {
  const has = new Set([...Object.keys(json.model.vocab), ...json.added_tokens.map(({ content }) => content)]);
  let last = json.added_tokens.reduce((n, { id }) => Math.max(n, id), -1);
  for (const id of Object.values(json.model.vocab)) last = Math.max(last, id);
  return {
    ...json,
    added_tokens: [
      ...json.added_tokens,
      ...tokens.filter((token) => !has.has(token)).map((token) => specialToken(token, ++last)),
    ],
  };
}

function specialToken(content: string, id: number): TokenizerJson["added_tokens"][number] {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

/**
 * A word-level tokenizer that makes one token of each listed phrase and of each other word.
 * Used at nano size, where every token costs: "the chair closest to the red table" becomes four or five tokens.
 *
 * @param phrases several words each; the longest match wins
 * @param special added tokens such as <ground>
 * @param marks punctuation that ends a word; each is a token of its own where no phrase holds it
 */
export function phraseTokenizer(phrases: readonly string[], special: readonly string[], marks = ","): TokenizerJson {
  const content = [...new Set(phrases)].filter((p) => !special.includes(p)).sort();
  const vocab: Record<string, number> = { "<unk>": 0 };
  for (const phrase of content) vocab[phrase] = Object.keys(vocab).length;
  const first = Object.keys(vocab).length;
  const longest = [...content].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const plain = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // a phrase ends where a word does; a mark is a word by itself
  const inWord = `[^\\s${marks}]`;
  const escaped = longest.map((p) => (marks.includes(p) ? plain(p) : `${plain(p)}(?!${inWord})`));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((token, i) => specialToken(token, first + i)),
    normalizer: { type: "Lowercase" },
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: [...escaped, `${inWord}+`, ...[...marks].map(plain)].join("|") },
      behavior: "Removed",
      invert: true,
    },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", vocab, unk_token: "<unk>" },
  };
}
