import { vi } from "vitest";

/** Runs a command in this process and returns its exit status and what it printed on stdout; stderr is swallowed. */
export async function printed(
  run: (args: string[]) => Promise<number>,
  ...args: string[]
): Promise<{ status: number; out: string }> {
  let out = "";
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    return { status: await run(args), out };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}
