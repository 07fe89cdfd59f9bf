import { expect, test } from "vitest";
import { runChild } from "../../lib/core/child";
import { UserError } from "../../lib/core/errors";
import { inProject } from "../../lib/core/root";

const module = inProject("tests", "core", "obedient-child.ts");

test("a child reports and answers", async () => {
  const seen: number[] = [];
  await expect(runChild<string, number, string>(module, "work", { onProgress: (n) => seen.push(n) })).resolves.toBe(
    "work done",
  );
  expect(seen).toEqual([1, 2, 3]);
}, 120_000);

test("a user's mistake stays one, a defect comes with its stack", async () => {
  const mistake = runChild(module, "user error");
  await expect(mistake).rejects.toBeInstanceOf(UserError);
  await expect(mistake).rejects.toThrow(/^scene9999_00: no such scene$/);
  const defect = runChild(module, "defect");
  await expect(defect).rejects.not.toBeInstanceOf(UserError);
  await expect(defect).rejects.toThrow(/^TypeError: a defect\n\s+at /);
}, 120_000);

test("a child that dies is an error that says how", async () => {
  await expect(runChild(module, "exit")).rejects.toThrow(
    /obedient-child\.ts ended without an answer \(exit status 7\)$/,
  );
  await expect(runChild(module, "killed")).rejects.toThrow(/ended without an answer \(SIGKILL\)$/);
}, 120_000);

test("a stop reaches the child, also one that came first", async () => {
  const later = new AbortController();
  const running = runChild(module, "wait", { signal: later.signal });
  later.abort();
  await expect(running).resolves.toBe("wait done");
  await expect(runChild(module, "wait", { signal: AbortSignal.abort() })).resolves.toBe("wait done");
}, 120_000);

test("a stop that finds the child gone hides neither its answer nor its end", async () => {
  const stop = new AbortController();
  const hurried = runChild(module, "hurry", {
    signal: stop.signal,
    onProgress: () => {
      // meanwhile the child answers and ends, which this process learns only afterwards
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
      stop.abort();
    },
  });
  await expect(hurried).rejects.toThrow(/^scene9999_00: gone$/);
}, 120_000);
