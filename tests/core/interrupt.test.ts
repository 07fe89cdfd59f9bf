import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-signals-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs `body` after `stopOnSignals()`, and sends `signals[i]` when it has printed line i. */
async function run(
  body: string,
  signals: readonly NodeJS.Signals[],
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const file = join(folder, "work.ts");
  const from = (...parts: string[]): string => JSON.stringify(inProject("lib", ...parts));
  writeFileSync(
    file,
    `import { onInterrupt, stopOnSignals } from ${from("core", "interrupt")};
     const keep = setInterval(() => {}, 1000);
     stopOnSignals();
     ${body}`,
  );
  const child = spawn(process.execPath, ["--import", pathToFileURL(require.resolve("tsx")).href, file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let sent = 0;
  child.stderr.on("data", (chunk: Buffer) => (stderr += String(chunk)));
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += String(chunk);
    while (sent < signals.length && stdout.split("\n").length - 1 > sent) child.kill(signals[sent++]);
  });
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, stdout, stderr };
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s without work that can stop ends the process", async (signal, status) => {
  expect(await run('console.log("ready"); void onInterrupt; void keep;', [signal])).toEqual({
    status,
    stdout: "ready\n",
    stderr: "",
  });
});

test("work that can stop is asked, and ends in its own way", async () => {
  const body = `
    onInterrupt(() => setTimeout(() => { console.log("saved"); clearInterval(keep); process.exit(1); }, 50));
    console.log("ready");`;
  expect(await run(body, ["SIGINT"])).toEqual({
    status: 1,
    stdout: "ready\nsaved\n",
    stderr: "\nstopping after this step; once more ends at once\n",
  });
});

test("a second signal ends at once", async () => {
  const body = 'onInterrupt(() => console.log("asked")); console.log("ready"); void keep;';
  expect(await run(body, ["SIGINT", "SIGINT"])).toMatchObject({ status: 130, stdout: "ready\nasked\n" });
});
