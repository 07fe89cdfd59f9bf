import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Progress } from "../../lib/core/progress";
import { type Notebook, type Output, readNotebook } from "../../lib/notebook/document";
import { notebookNames, notebookPath } from "../../lib/notebook/folder";
import { runNotebook, runNotebookOrThrow } from "../../lib/notebook/runner";
import { writeSampleResults, writeSampleScans } from "../report/sample";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-runner-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, ...sources: string[]): string {
  const cells = sources.map((source) => ({
    cell_type: "code",
    metadata: {},
    source,
    outputs: [],
    execution_count: null,
  }));
  const file = join(folder, `${name}.ipynb`);
  writeFileSync(file, JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }));
  return file;
}

const outputs = (file: string): Output[][] => (readNotebook(file) as Notebook).cells.map((c) => c.outputs ?? []);
const text = (list: Output[] | undefined): string =>
  (list ?? [])
    .map((o) =>
      o.output_type === "stream"
        ? [o.text].flat().join("")
        : o.output_type === "execute_result"
          ? [o.data["text/plain"]].flat().join("")
          : "",
    )
    .join("");

describe("runNotebook", () => {
  test("runs all cells and saves what they show, in order and complete", async () => {
    const file = write(
      "good",
      'for (let i = 0; i < 20000; i++) console.log("line", i);\nconsole.error("end");',
      'import { display } from "./lib/notebook/mime";\n' +
        'console.log("before"); display({ "text/plain": "shown" }); console.log("after");',
      "process.stdout.write('1/2\\r2/2\\n'); 6 * 7",
    );
    const events: Progress[] = [];
    const run = await runNotebook(file, { onProgress: (e) => events.push(e) });
    expect(run).toEqual({ notebook: "good", cells: 3 });
    expect(events.map((e) => e.done)).toEqual([0, 1, 2, 3]);
    const [many, order, last] = outputs(file);
    expect(text(many!.slice(0, 1))).toBe(Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(""));
    expect(many![1]).toMatchObject({ output_type: "stream", name: "stderr" });
    expect(order!.map((o) => o.output_type)).toEqual(["stream", "display_data", "stream"]);
    expect(text(last)).toBe("2/2\n42");
    expect(readNotebook(file).cells.map((c) => c.execution_count)).toEqual([1, 2, 3]);
  }, 120_000);

  test("running twice gives the same file", async () => {
    const file = write("twice", 'console.log("a");', "({ b: [1, 2] })");
    await runNotebook(file);
    const once = readFileSync(file, "utf8");
    await runNotebook(file);
    expect(readFileSync(file, "utf8")).toBe(once);
  }, 120_000);

  test("stops at a failing cell, says which, and leaves the cells behind it empty", async () => {
    const file = write("bad", "1", 'throw new Error("no data")', "2");
    const run = await runNotebook(file);
    expect(run.failure).toEqual({ notebook: "bad", cell: 2, error: "Error: no data" });
    const [, failed, after] = outputs(file);
    expect(failed).toMatchObject([{ output_type: "error", ename: "Error", evalue: "no data" }]);
    expect(after).toEqual([]);
    await expect(runNotebookOrThrow(file)).rejects.toThrow("notebook bad, cell 2: Error: no data");
  }, 120_000);

  test("work that the last cell left behind and that failed fails the notebook", async () => {
    const run = await runNotebook(write("stray", 'void Promise.reject(new Error("lost"))'));
    expect(run.failure?.error).toContain("lost");
  }, 120_000);

  test("a cell that takes too long is stopped", async () => {
    const run = await runNotebook(write("slow", "await new Promise(() => {})"), { cellTimeoutSeconds: 2 });
    expect(run.failure).toEqual({ notebook: "slow", cell: 1, error: "Timeout: took longer than 2 s" });
  }, 120_000);

  test("a cell that ends the kernel is a failure, not a hang", async () => {
    const run = await runNotebook(write("gone", "process.exit(3)"));
    expect(run.failure?.error).toMatch(/^Kernel: the notebook kernel ended \(exit status 3\)/);
  }, 120_000);
});

test("the project's notebooks run on sample results", async () => {
  const results = join(folder, "results");
  const rooms = join(folder, "rooms");
  writeSampleScans(rooms);
  writeSampleResults(results, rooms);
  const before = { ...process.env };
  // no browser: pictures are the export test's matter
  Object.assign(process.env, { S2_RESULTS: results, S2_CHROMIUM: join(folder, "absent") });
  mkdirSync(join(folder, "notebooks"));
  try {
    for (const name of notebookNames()) {
      const copy = join(folder, "notebooks", `${name}.ipynb`);
      cpSync(notebookPath(name), copy);
      expect(await runNotebook(copy), name).not.toHaveProperty("failure");
    }
  } finally {
    for (const key of ["S2_RESULTS", "S2_CHROMIUM"]) {
      if (before[key] === undefined) delete process.env[key];
      else process.env[key] = before[key];
    }
  }
}, 600_000);
