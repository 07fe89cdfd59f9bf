import { z } from "zod";

export const HistoryRequest = z.looseObject({
  output: z.boolean().default(false),
  hist_access_type: z.enum(["range", "tail", "search"]),
  session: z.int().optional(),
  start: z.int().optional(),
  stop: z.int().nullish(),
  n: z.int().nonnegative().nullish(),
  pattern: z.string().optional(),
  unique: z.boolean().default(false),
});

interface Entry {
  readonly line: number;
  readonly input: string;
  output: string | null;
}

/** The only session there is: history is not kept beyond the kernel. */
const session = 1;

/** What was run, for history_request. */
export class History {
  readonly #entries: Entry[] = [];

  add(line: number, input: string): void {
    this.#entries.push({ line, input, output: null });
  }

  /** Text of the last expression of the cell that was added last under this number. */
  setOutput(line: number, output: string): void {
    const entry = this.#entries.findLast((e) => e.line === line);
    if (entry !== undefined) entry.output = output;
  }

  /** Entries as the protocol lists them: (session, line, input) or (session, line, (input, output)). */
  list(request: z.infer<typeof HistoryRequest>): unknown[] {
    const found = this.#find(request);
    return found.map(({ line, input, output }) => [session, line, request.output ? [input, output] : input]);
  }

  #find({
    hist_access_type,
    session: wanted,
    start,
    stop,
    n,
    pattern,
    unique,
  }: z.infer<typeof HistoryRequest>): Entry[] {
    if (hist_access_type === "range") {
      // 0 is the running session, negative ones lie before it
      if (wanted !== undefined && wanted !== 0 && wanted !== session) return [];
      return this.#entries.filter(({ line }) => line >= (start ?? 1) && (stop == null || line < stop));
    }
    let found = this.#entries;
    if (hist_access_type === "search") {
      const glob = globPattern(pattern ?? "*");
      found = found.filter(({ input }) => glob.test(input));
      if (unique) found = found.filter(({ input }, i) => found.findLastIndex((e) => e.input === input) === i);
    }
    return n == null ? [...found] : found.slice(Math.max(0, found.length - n));
  }
}

/** `*` stands for any text, `?` for one character, `[…]` for one of a set. */
function globPattern(glob: string): RegExp {
  const source = glob.replace(/\[!?[^\]]+\]|[\\^$.|?*+()[\]{}]/g, (c) => {
    if (c === "*") return "[^]*";
    if (c === "?") return "[^]";
    if (c.length > 1) return c.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
    return `\\${c}`;
  });
  return new RegExp(`^${source}$`, "u");
}
