import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Progress } from "../../lib/core/progress";
import { type Notebook, type Output, readNotebook, writeNotebook } from "../../lib/notebook/document";
import { notebookNames, notebookPath } from "../../lib/notebook/folder";
import { executedPath, runIfChanged, runNotebook, runNotebookOrThrow, SharedKernel } from "../../lib/notebook/runner";
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
    expect(run).toEqual({ notebook: "good", cells: 3, output: file });
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

  test("work that a cell left behind and that failed fails that cell, and no other", async () => {
    const wait = "await new Promise((done) => setTimeout(done, 2500));";
    const file = write("stray", 'setTimeout(() => { throw new Error("lost"); }, 2000); 1', "2", `${wait} 3`);
    const slow = write("slow-end", 'void (async () => { await 0; throw new Error("at once"); })();');
    const [run, other] = [await runNotebook(file), await runNotebook(slow)];
    expect(run.failure).toEqual({ notebook: "stray", cell: 1, error: "Error: lost" });
    expect(outputs(file).slice(1).map(text)).toEqual(["2", "3"]);
    expect(other.failure).toEqual({ notebook: "slow-end", cell: 1, error: "Error: not awaited: at once" });
  }, 120_000);

  test("a failing run replaces no outputs, and the copy that shows the error is named", async () => {
    const file = write("kept", "1 + 1", "2");
    await runNotebook(file);
    const good = readNotebook(file);
    good.cells[1]!.source = 'throw new Error("broken")';
    writeNotebook(file, good);
    const before = readFileSync(file, "utf8");
    const run = await runNotebook(file);
    try {
      expect(run.failure).toEqual({ notebook: "kept", cell: 2, error: "Error: broken" });
      expect(readFileSync(file, "utf8")).toBe(before);
      expect(run.output).toBe(executedPath("kept.failed"));
      expect(outputs(run.output)[1]).toMatchObject([{ output_type: "error", evalue: "broken" }]);
    } finally {
      rmSync(run.output, { force: true });
    }
  }, 120_000);

  test("parameters are run with, and the copy goes where it is asked to go", async () => {
    const file = write("asked", "const seed = 1;", "seed * 2");
    const notebook = readNotebook(file);
    notebook.cells[0]!.metadata.tags = ["parameters"];
    writeNotebook(file, notebook);
    const before = readFileSync(file, "utf8");
    const output = join(folder, "deep", "out.ipynb");
    await runNotebook(file, { output, parameters: new Map([["seed", "21"]]) });
    expect(text(outputs(output)[2])).toBe("42");
    expect(readFileSync(file, "utf8")).toBe(before);
  }, 120_000);

  test("without a browser a figure that is as it was keeps its picture, and another has none", async () => {
    const figure = (name: string): string =>
      'import { display } from "./lib/notebook/mime";\nimport { figureHtml } from "./lib/notebook/live-html";\n' +
      `display({ "text/html": figureHtml({ name: "f", alt: "${name}", data: [{ x: ["${name}"] }], layout: {} }) });`;
    const file = write("pictures", figure("a"), figure("b"));
    await runNotebook(file);
    const drawn = readNotebook(file);
    for (const { outputs = [] } of drawn.cells)
      for (const output of outputs) if (output.output_type === "display_data") output.data["image/png"] = "drawn";
    drawn.cells[1]!.source = figure("c");
    writeNotebook(file, drawn);
    await runNotebook(file);
    const data = outputs(file).map(([output]) => (output?.output_type === "display_data" ? output.data : {}));
    expect(data.map((bundle) => bundle["image/png"])).toEqual(["drawn", undefined]);
  }, 120_000);

  test("a notebook is run once, and again when its code or a row changed", async () => {
    const file = write("tiny", "40 + 2");
    const output = join(folder, "tiny-executed.ipynb");
    const wasRun = async (rows: string): Promise<boolean> =>
      (await runIfChanged(file, { output, inputs: { code: "c", rows } })) !== undefined;
    expect(await wasRun("a")).toBe(true);
    expect(await wasRun("a")).toBe(false);
    expect(await wasRun("b")).toBe(true);
    const notebook = readNotebook(file);
    notebook.cells[0]!.source = "40 + 3";
    writeNotebook(file, notebook);
    expect(await wasRun("b")).toBe(true);
    expect(await wasRun("b")).toBe(false);
    // a failure is not remembered: it is tried again
    notebook.cells[0]!.source = 'throw new Error("no")';
    writeNotebook(file, notebook);
    const failed = await runIfChanged(file, { output, inputs: { code: "c", rows: "b" } });
    expect(failed).toHaveProperty("failure");
    rmSync(failed!.output, { force: true });
    expect(await wasRun("b")).toBe(true);
    rmSync(executedPath("tiny.failed"), { force: true });
  }, 240_000);

  test("a shared kernel gives each notebook what a fresh one gives it", async () => {
    const first = write(
      "shared-first",
      "const name: number = 1; setInterval(() => console.log('left behind'), 5); process.chdir('/'); name",
    );
    const figure = '{ name: "f", alt: "f", data: [], layout: {} }';
    const second = write(
      "shared-second",
      `import { lab } from "./lib"; const name = "text"; await lab.show(${figure});`,
      `await new Promise((done) => setTimeout(done, 100)); await lab.show(${figure}); [process.cwd(), name.length]`,
    );
    const unknown = write("shared-unknown", "name");
    const kernel = new SharedKernel();
    try {
      for (const file of [first, second]) expect(await runNotebook(file, { kernel })).not.toHaveProperty("failure");
      const shared = readFileSync(second, "utf8");
      const { pid } = await kernel.open(folder);
      const run = await runNotebook(unknown, { kernel });
      expect(run.failure?.error).toContain("Cannot find name 'name'");
      await runNotebook(second);
      expect(readFileSync(second, "utf8")).toBe(shared);
      expect(shared.split("data-large").length).toBe(2);
      // one that a cell has failed in is not used again
      expect((await kernel.open(folder)).pid).not.toBe(pid);
    } finally {
      await kernel.close();
    }
  }, 240_000);

  test("a notebook of another kernel is refused by name", async () => {
    const file = write("python", "1");
    const notebook = readNotebook(file);
    notebook.metadata.kernelspec = { name: "python3", language: "python" };
    writeNotebook(file, notebook);
    await expect(runNotebook(file)).rejects.toThrow('notebook python is for the kernel "python3"');
  });

  test("a cell that takes too long is stopped", async () => {
    const run = await runNotebook(write("slow", "await new Promise(() => {})"), { cellTimeoutSeconds: 2 });
    expect(run.failure).toEqual({ notebook: "slow", cell: 1, error: "Timeout: took longer than 2 s" });
  }, 120_000);

  test("a cell that ends the kernel is a failure, not a hang", async () => {
    const run = await runNotebook(write("gone", "process.exit(3)"));
    expect(run.failure?.error).toMatch(/^Kernel: the notebook kernel ended \(exit status 3\)/);
    const killed = await runNotebook(
      write("killed", 'console.log("last words"); process.kill(process.pid, "SIGKILL")'),
    );
    expect(killed.failure?.error).toMatch(/^Kernel: the notebook kernel ended \(SIGKILL\)/);
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
  const kernel = new SharedKernel();
  try {
    for (const name of notebookNames()) {
      const copy = join(folder, "notebooks", `${name}.ipynb`);
      cpSync(notebookPath(name), copy);
      expect(await runNotebook(copy, { kernel }), name).not.toHaveProperty("failure");
    }
  } finally {
    await kernel.close();
    for (const key of ["S2_RESULTS", "S2_CHROMIUM"]) {
      if (before[key] === undefined) delete process.env[key];
      else process.env[key] = before[key];
    }
  }
}, 600_000);
