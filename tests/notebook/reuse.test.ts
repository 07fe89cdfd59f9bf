import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { type Notebook, type Output, readNotebook, writeNotebook } from "../../lib/notebook/document";
import { fingerprint, inputFiles, inputsFingerprint, runIfChanged } from "../../lib/notebook/reuse";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-reuse-"));
  process.env.S2_RESULTS = join(folder, "results");
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(folder, { recursive: true });
});

const shown: Output[] = [{ output_type: "stream", name: "stdout", text: "1\n" }];
const notebook = (code: string, words = "# Title", outputs = shown): Notebook => ({
  cells: [
    { cell_type: "markdown", source: words, metadata: {} },
    { cell_type: "code", source: code, metadata: {}, outputs, execution_count: 1 },
  ],
  metadata: {},
  nbformat: 4,
  nbformat_minor: 5,
});

describe("the fingerprint", () => {
  test("changes with code, outputs and inputs, and not with the words around", () => {
    const base = fingerprint(notebook("1"), "inputs");
    expect(base).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint(notebook("1", "# Another title"), "inputs")).toBe(base);
    expect(fingerprint(notebook("2"), "inputs")).not.toBe(base);
    expect(fingerprint(notebook("1", undefined, []), "inputs")).not.toBe(base);
    expect(fingerprint(notebook("1"), "others")).not.toBe(base);
  });

  test("of the inputs changes with a file's content, its name, and a file more", () => {
    const [a, b] = [join(folder, "a.json"), join(folder, "b.json")];
    writeFileSync(a, "1");
    writeFileSync(b, "1");
    const base = inputsFingerprint([a]);
    expect(inputsFingerprint([a])).toBe(base);
    expect(inputsFingerprint([b])).not.toBe(base);
    expect(inputsFingerprint([a, b])).not.toBe(base);
    writeFileSync(a, "2");
    expect(inputsFingerprint([a])).not.toBe(base);
  });

  test("covers code, packages, rows, answers and attention maps, and no half-written file", () => {
    const results = process.env.S2_RESULTS!;
    const made = [
      "table5.jsonl",
      "answers/0123456789ab-val-gt.json.gz",
      "attention/0123456789ab/b.json",
      "runs/0123456789ab/rows.jsonl",
      "table5.jsonl.12.tmp",
    ].map((name) => join(results, name));
    for (const file of made) {
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(file, "");
    }
    const files = inputFiles();
    expect(files).toEqual(
      expect.arrayContaining([
        inProject("package-lock.json"),
        inProject("lib", "index.ts"),
        inProject("lib", "notebook", "kernels", "s2mllm", "start.cjs"),
        ...made.slice(0, 4),
      ]),
    );
    expect(files).not.toContain(made[4]);
  });
});

test("a notebook is run once, and again when its code or a row changed", async () => {
  const file = join(folder, "tiny.ipynb");
  const rows = join(folder, "table5.jsonl");
  writeFileSync(rows, "");
  // not the project's own inputs: other tests train meanwhile
  const options = { records: join(folder, "records"), files: () => [rows] };
  const wasRun = async (more = {}): Promise<boolean> =>
    (await runIfChanged(file, { ...options, ...more })) !== undefined;
  writeNotebook(file, notebook("40 + 2", undefined, []));
  expect(await runIfChanged(file, options)).toEqual({ notebook: "tiny", cells: 1 });
  expect(readNotebook(file).cells[1]!.outputs).toMatchObject([{ output_type: "execute_result" }]);
  expect(await wasRun()).toBe(false);
  // asked for by name
  expect(await wasRun({ always: true })).toBe(true);
  writeFileSync(rows, "{}\n");
  expect(await wasRun()).toBe(true);
  expect(await wasRun()).toBe(false);
  // a failure is not remembered: it is tried again
  const record = join(options.records, "tiny.sha256");
  const before = readFileSync(record, "utf8");
  writeNotebook(file, notebook('throw new Error("no")'));
  expect(await runIfChanged(file, options)).toHaveProperty("failure");
  expect(readFileSync(record, "utf8")).toBe(before);
  expect(fingerprint(readNotebook(file), inputsFingerprint(options.files()))).not.toBe(before);
}, 600_000);
