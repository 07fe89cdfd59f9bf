import { type Flags, type TypeFlag, typeFlag } from "type-flag";
import { suggestion, UserError } from "../core/errors";

/** Turns an option's text into its value. @throws UserError whose message goes on behind the option's name */
type Reader = (text: string) => unknown;

export interface OptionSpec {
  /** String, Boolean for a switch, a reader such as `wholeNumber()`, or [one of them] where it may be repeated. */
  readonly type: Reader | BooleanConstructor | readonly [Reader];
  readonly alias?: string;
  /** One line for `--help`. */
  readonly help: string;
  /** What stands for the value in `--help`, such as "NAME". */
  readonly value?: string;
}
type Options = Readonly<Record<string, OptionSpec>>;

/** What a command takes; also the text of its `--help`. */
export interface CommandSpec<O extends Options = Options> {
  readonly name: string;
  /** Positional arguments as shown in the usage line, such as "NAME [MORE …]"; none are taken without it. */
  readonly positionals?: string;
  /** What the command does, in one or two sentences. */
  readonly about: string;
  readonly options: O;
}

/** By option: undefined where it was not given, [] for one that may be repeated. */
export type OptionValues<O extends Options> = TypeFlag<{ -readonly [K in keyof O]: { type: O[K]["type"] } }>["flags"];

export interface Parsed<O extends Options> {
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

const help = { type: Boolean, alias: "h", help: "show this text" } as const;

function usageLine(spec: CommandSpec): string {
  const positionals = spec.positionals === undefined ? "" : ` ${spec.positionals}`;
  return `usage: s2mllm ${spec.name}${positionals} [options]`;
}

/** An option as help and messages show it, such as "-p, --preset NAME". */
function shown(name: string, { type, alias }: OptionSpec, value: string): string {
  return `${alias === undefined ? "" : `-${alias}, `}--${name}${type === Boolean ? "" : ` ${value}`}`;
}

/** The text of `s2mllm <command> --help`. */
export function helpText(spec: CommandSpec): string {
  const rows = Object.entries<OptionSpec>({ ...spec.options, help }).map(([name, option]) => ({
    left: `  ${shown(name, option, option.value ?? "TEXT")}`,
    right: option.help + (Array.isArray(option.type) ? " (may be repeated)" : ""),
  }));
  const width = Math.max(...rows.map(({ left }) => left.length)) + 2;
  return [
    usageLine(spec),
    "",
    spec.about,
    "",
    "options:",
    ...rows.map(({ left, right }) => left.padEnd(width) + right),
    "",
  ].join("\n");
}

/** The error for arguments that parse but make no sense: the message, then how the command is used. */
export function wrongUsage(spec: CommandSpec, message: string): UserError {
  return new UserError(
    `${spec.name}: ${message}\n${usageLine(spec)}\n(s2mllm ${spec.name} --help lists the options)`,
    2,
  );
}

/**
 * Reads a command's arguments.
 *
 * @throws UserError with exit code 2, for anything the command does not take
 * @throws HelpRequest on `--help`
 */
export function parseOptions<const O extends Options>(spec: CommandSpec<O>, args: readonly string[]): Parsed<O> {
  const options: Options = { ...spec.options, help };
  const named = (text: string): [string, OptionSpec] =>
    Object.entries(options).find(([name, { alias }]) => name === text || alias === text)!;
  const reader = (name: string, option: OptionSpec, read: Reader) => (text: string) => {
    if (text === "") throw wrongUsage(spec, `Option '${shown(name, option, "<value>")}' argument missing`);
    try {
      return read(text);
    } catch (error) {
      throw error instanceof UserError ? new UserError(`--${name} ${error.message}`, 2) : error;
    }
  };
  const flags: Flags = {};
  for (const [name, option] of Object.entries(options)) {
    const { type, alias } = option;
    const read = typeof type === "function" ? reader(name, option, type) : ([reader(name, option, type[0])] as const);
    flags[name] = { type: type === Boolean ? Boolean : read, ...(alias === undefined ? {} : { alias }) };
  }
  const { flags: values, _: positionals } = typeFlag(flags, [...args], {
    // sees each argument in its turn, before its value is read
    ignore: (kind, text, value) => {
      if (kind === "unknown-flag") throw wrongUsage(spec, unknownOption(text, Object.keys(options)));
      if (kind !== "known-flag") return;
      const [name, option] = named(text);
      if (name === "help") throw new HelpRequest(helpText(spec));
      if (option.type === Boolean && value !== undefined)
        throw wrongUsage(spec, `Option '--${name}' does not take an argument`);
    },
  });
  if (spec.positionals === undefined && positionals.length > 0)
    throw wrongUsage(spec, `Unexpected argument '${positionals[0]}'. This command does not take positional arguments`);
  return { values: values as OptionValues<O>, positionals };
}

function unknownOption(name: string, known: readonly string[]): string {
  return `unknown option "${name.length === 1 ? "-" : "--"}${name}"${suggestion(name, known, "--")}`;
}

/** Reads a whole number. */
export const wholeNumber =
  (least = 0) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least)
      throw new UserError(`takes a whole number of at least ${least}, got "${text}"`, 2);
    return value;
  };

/** Reads values with commas between, such as "0,1,2". */
export const listOf =
  <T>(read: (text: string) => T) =>
  (text: string): T[] =>
    text.split(",").map((part) => read(part.trim()));

/** Reads one of a few words. */
export const oneOf =
  <const T extends string>(...words: readonly T[]) =>
  (text: string): T => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new UserError(`takes ${words.join(words.length === 2 ? " or " : ", ")}, got "${text}"`, 2);
  };
