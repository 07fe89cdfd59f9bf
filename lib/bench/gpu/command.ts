import { spawn } from "node:child_process";
import { loaderOf } from "../../core/child";
import { moduleFile } from "../../core/root";

/** How a command of the lab ended. */
export interface CommandEnd {
  /** Exit status; null where it was ended. */
  readonly status: number | null;
  readonly out: string;
  /** The last line that says something. */
  readonly lastLine: string;
  readonly overran: boolean;
}

/**
 * Runs a command of the lab in a process of its own; after `limitMs` it is ended with every process that it started.
 *
 * @param args such as ["doctor", "--json"]
 */
export function runCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  limitMs: number,
): Promise<CommandEnd> {
  const main = moduleFile("cli", "main");
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...loaderOf(main), main, ...args], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      // a group of its own, which can be ended as a whole
      detached: true,
    });
    let [out, err, overran] = ["", "", false];
    child.stdout.on("data", (text: Buffer) => (out += text.toString()));
    child.stderr.on("data", (text: Buffer) => (err = (err + text.toString()).slice(-20_000)));
    const limit = setTimeout(() => {
      overran = true;
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // it ended at this moment
      }
    }, limitMs);
    const end = (status: number | null, why = err): void => {
      clearTimeout(limit);
      // progress overwrites its line by a carriage return
      const lines = why.split(/[\r\n]/).filter((line) => line.trim() !== "");
      resolve({ status, out, lastLine: lines.at(-1)?.trim() ?? "without a message", overran });
    };
    child.on("error", (error) => end(null, error.message));
    child.on("close", (status) => end(status));
  });
}
