import { spawn } from "node:child_process";

/** Runs a program to its end; status -1: it did not start. @returns what it printed, the last 20,000 characters */
export function finishes(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (part: Buffer) => (text = (text + part.toString()).slice(-20_000)));
    child.on("error", (error) => resolve({ status: -1, text: error.message }));
    child.on("close", (status) => resolve({ status: status ?? -1, text }));
  });
}

/** The last line that says something. */
export const lastLine = (text: string): string => text.trim().split("\n").at(-1)!.trim() || "without a message";
