import { suggestion, UserError } from "../core/errors";
import { HelpRequest } from "./options";

export interface CommandModule {
  /** Runs the command and resolves to the exit status: 0 ok, 1 failure, 2 wrong usage. */
  run(args: string[]): Promise<number>;
}

export interface Command {
  readonly about: string;
  /** Loads the command's file; only the one that runs is loaded. */
  readonly load: () => Promise<CommandModule>;
}

export type Commands = Readonly<Record<string, Command>>;

export function usage(commands: Commands): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2;
  return [
    "usage: s2mllm <command> [options]",
    "",
    ...Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(width)}${about}`),
    "",
    "s2mllm <command> --help tells more; --json prints one JSON document on stdout.",
    "",
  ].join("\n");
}

/**
 * Runs the command that `args` names. Errors become lines on stderr: one for a `UserError`, the stack for anything
 * else or with S2_DEBUG=1.
 *
 * @returns exit status
 */
export async function dispatch(args: readonly string[], commands: Commands): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(usage(commands));
    return 0;
  }
  if (name === undefined || !Object.hasOwn(commands, name)) {
    const known = Object.keys(commands);
    const what = name === undefined ? "no command given" : `unknown command "${name}"${suggestion(name, known)}`;
    process.stderr.write(`${what}\n\n${usage(commands)}`);
    return 2;
  }
  try {
    const command = await commands[name]!.load();
    return await command.run(rest);
  } catch (error) {
    if (error instanceof HelpRequest) {
      process.stdout.write(error.text);
      return 0;
    }
    const short = error instanceof UserError && process.env.S2_DEBUG !== "1";
    const whole = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${short ? `error: ${error.message}` : whole}\n`);
    return error instanceof UserError ? error.exitCode : 1;
  }
}
