import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { isLocked, takeLock, withLock } from "../../lib/runs/lock";

let folder: string;
let file: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-lock-"));
  file = join(folder, "lock");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** A process that runs a script and has said its first line. */
function started(script: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--import", require.resolve("tsx"), "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: inProject(),
  });
  children.push(child);
  return new Promise((resolve) => child.stdout!.once("data", () => resolve(child)));
}
const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once("exit", () => resolve()));
const take = `require(${JSON.stringify(inProject("lib", "runs", "lock.ts"))})`;

test("one holder at a time: the second is told who it is, also in the same process", () => {
  expect(isLocked(file)).toBe(false);
  const release = takeLock(file, "run 0123456789ab");
  expect(isLocked(file)).toBe(true);
  expect(() => takeLock(file, "run 0123456789ab")).toThrow(
    new RegExp(
      `^run 0123456789ab is being written by process ${process.pid} since \\S+; wait for it or stop it ` +
        `\\(its lock is ${file}\\)$`,
    ),
  );
  release();
  expect(existsSync(file)).toBe(false);
  expect(withLock(file, "it", () => 7)).toBe(7);
  expect(() =>
    withLock(file, "it", () => {
      throw new Error("inside");
    }),
  ).toThrow("inside");
  expect(readdirSync(folder)).toEqual([]);
});

test("where nothing can be written it is said why", () => {
  writeFileSync(file, "");
  const below = join(file, "below.lock");
  expect(() => takeLock(below, "it")).toThrow(`${file}: a file is where a folder should be; name another folder`);
});

test("a holder that was killed is taken over, and so is one whose process id another process has now", async () => {
  const child = await started(
    `${take}.takeLock(${JSON.stringify(file)}, "it"); console.log("held"); setInterval(() => {}, 1000);`,
  );
  expect(() => takeLock(file, "it")).toThrow(`it is being written by process ${child.pid}`);
  const gone = ended(child);
  child.kill("SIGKILL");
  await gone;
  expect(isLocked(file)).toBe(false);
  takeLock(file, "it", 2000)();
  // this process's id, begun at another time
  const since = new Date().toISOString();
  writeFileSync(file, JSON.stringify({ pid: process.pid, started: "1", host: hostname(), since }));
  takeLock(file, "it", 2000)();
  writeFileSync(file, "cut o");
  takeLock(file, "it", 2000)();
  // nobody knows of another machine's processes
  writeFileSync(file, JSON.stringify({ pid: 1, started: "1", host: "elsewhere", since }));
  expect(() => takeLock(file, "it")).toThrow("it is being written by process 1 on elsewhere since");
  // a folder that was copied brings its lock along
  expect(() => takeLock(file, "it")).toThrow(`its lock is ${file}; remove that if the folder was copied from there`);
});

test("many processes that change one file under a lock lose nothing, also when the lock lay there dead", async () => {
  const counter = join(folder, "counter");
  writeFileSync(counter, "0");
  writeFileSync(file, JSON.stringify({ pid: 999_999_999, started: "1", host: hostname(), since: "x" }));
  const script = `
    const { readFileSync, writeFileSync } = require("node:fs");
    const { withLock } = ${take};
    console.log("ready");
    for (let i = 0; i < 40; i++)
      withLock(${JSON.stringify(file)}, "it", () => {
        const n = Number(readFileSync(${JSON.stringify(counter)}, "utf8"));
        writeFileSync(${JSON.stringify(counter)}, String(n + 1));
      });`;
  const workers = await Promise.all(Array.from({ length: 4 }, () => started(script)));
  await Promise.all(workers.map((child) => (child.exitCode === null ? ended(child) : undefined)));
  expect(readFileSync(counter, "utf8")).toBe("160");
  expect(readdirSync(folder)).toEqual(["counter"]);
}, 120_000);
