import { parseArgs } from "node:util";
import { closest, UserError } from "../core/errors";

export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly short?: string;
  readonly multiple?: boolean;
  /** One line for `--help`. */
  readonly help: string;
  /** What stands for the value in `--help`, such as "NAME". */
  readonly value?: string;
}

/** What a command takes; also the text of its `--help`. */
export interface CommandSpec<O extends Record<string, OptionSpec> = Record<string, OptionSpec>> {
  readonly name: string;
  /** Positional arguments as shown in the usage line, such as "NAME [MORE …]"; none are taken without it. */
  readonly positionals?: string;
  /** What the command does, in one or two sentences. */
  readonly about: string;
  readonly options: O;
}

type Value<S extends OptionSpec> = S["type"] extends "boolean" ? boolean : string;

/** `undefined` where an option was not given. */
export type OptionValues<O extends Record<string, OptionSpec>> = {
  readonly [K in keyof O]?: O[K]["multiple"] extends true ? Value<O[K]>[] : Value<O[K]>;
};

export interface Parsed<O extends Record<string, OptionSpec>> {
  readonly values: OptionValues<O>;
  readonly positionals: readonly string[];
}

/** Thrown by `parseOptions` on `--help`; the dispatcher prints the text and ends with 0. */
export class HelpRequest extends Error {
  constructor(readonly text: string) {
    super("help was asked for");
    this.name = "HelpRequest";
  }
}

const helpOption = { type: "boolean", short: "h", help: "show this text" } as const;

function usageLine(spec: CommandSpec): string {
  const positionals = spec.positionals === undefined ? "" : ` ${spec.positionals}`;
  return `usage: s2mllm ${spec.name}${positionals} [options]`;
}

/** The text of `s2mllm <command> --help`. */
export function helpText(spec: CommandSpec): string {
  const all: Record<string, OptionSpec> = { ...spec.options, help: helpOption };
  const rows = Object.entries(all).map(([name, option]) => {
    const short = option.short === undefined ? "" : `-${option.short}, `;
    const value = option.type === "string" ? ` ${option.value ?? "TEXT"}` : "";
    return [
      `  ${short}--${name}${value}`,
      option.help + (option.multiple === true ? " (may be repeated)" : ""),
    ] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return [
    usageLine(spec),
    "",
    spec.about,
    "",
    "options:",
    ...rows.map(([left, help]) => left.padEnd(width) + help),
    "",
  ].join("\n");
}

function explain(error: Error, known: readonly string[]): string {
  const unknown = /^Unknown option '--?([^']+)'/.exec(error.message);
  if (unknown === null) return error.message.split("\n")[0]!;
  const near = closest(unknown[1]!, known);
  return `unknown option "${unknown[1]!.length === 1 ? "-" : "--"}${unknown[1]}"${near === undefined ? "" : ` (did you mean "--${near}"?)`}`;
}

/**
 * Reads a command's arguments.
 *
 * @throws UserError with exit code 2 and the usage line, for anything the command does not take
 * @throws HelpRequest on `--help`
 */
export function parseOptions<const O extends Record<string, OptionSpec>>(
  spec: CommandSpec<O>,
  args: readonly string[],
): Parsed<O> {
  const options = { ...(spec.options as Record<string, OptionSpec>), help: helpOption };
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: spec.positionals !== undefined });
  } catch (error) {
    throw wrongUsage(spec, explain(error as Error, Object.keys(options)));
  }
  const { help, ...values } = parsed.values;
  if (help === true) throw new HelpRequest(helpText(spec));
  return { values: values as OptionValues<O>, positionals: parsed.positionals };
}

/** The error for arguments that parse but make no sense: the message, then how the command is used. */
export function wrongUsage(spec: CommandSpec, message: string): UserError {
  return new UserError(
    `${spec.name}: ${message}\n${usageLine(spec)}\n(s2mllm ${spec.name} --help lists the options)`,
    2,
  );
}

/** A whole number given as text. @throws UserError naming the option */
export function wholeNumber(option: string, text: string, least = 0): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
    throw new UserError(`${option} takes a whole number of at least ${least}, got "${text}"`, 2);
  }
  return value;
}

/** Whole numbers with commas between, such as "0,1,2". @throws UserError naming the option */
export function wholeNumbers(option: string, text: string, least = 0): number[] {
  return text.split(",").map((part) => wholeNumber(option, part, least));
}
