import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../lib/core/programs";
import { type Output, readNotebook } from "../../lib/notebook/document";
import { jupyterPath } from "../../lib/notebook/kernelspec";

const jupyter = findProgram(["jupyter-nbconvert"]);

// continuous integration must have it: there the tests run, and fail, without it
describe.skipIf(jupyter === undefined && process.env.CI !== "true")(
  "in Jupyter (left out where jupyter-nbconvert is not on PATH)",
  () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "s2-jupyter-"));
    });
    afterAll(() => {
      rmSync(folder, { recursive: true, force: true });
    });

    function execute(...sources: string[]): { status: number | null; said: string; outputs: Output[][] } {
      const file = join(folder, "n.ipynb");
      const cells = sources.map((source, i) => ({
        cell_type: "code",
        id: `c${i}`,
        metadata: {},
        source,
        outputs: [],
        execution_count: null,
      }));
      const kernelspec = { name: "s2mllm", display_name: "s2mllm", language: "typescript" };
      writeFileSync(file, JSON.stringify({ cells, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 }));
      expect(jupyter, "jupyter-nbconvert on PATH").toBeDefined();
      const args = [
        "--to",
        "notebook",
        "--execute",
        "--inplace",
        "--allow-errors",
        "--ExecutePreprocessor.record_timing=False",
        "--ExecutePreprocessor.startup_timeout=240",
        file,
      ];
      const env = { ...process.env, JUPYTER_PATH: jupyterPath(), PYDEVD_DISABLE_FILE_VALIDATION: "1" };
      const { status, stderr } = spawnSync(jupyter!, args, { encoding: "utf8", env });
      return { status, said: stderr, outputs: readNotebook(file).cells.map((c) => c.outputs ?? []) };
    }

    test("the kernel is a real one: output complete, values and errors in place", () => {
      const { status, said, outputs } = execute(
        'for (let i = 0; i < 20000; i++) console.log("line", i);',
        'import { Rng } from "./lib/core/rng"; new Rng(1).int(1)',
        'throw new Error("boom")',
      );
      expect(status, said).toBe(0);
      const printed = outputs[0]!.flatMap((o) => (o.output_type === "stream" ? [o.text].flat() : [])).join("");
      expect(printed).toBe(Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(""));
      expect(outputs[1]).toMatchObject([{ output_type: "execute_result", execution_count: 2 }]);
      expect(outputs[2]).toMatchObject([{ output_type: "error", ename: "Error", evalue: "boom" }]);
    }, 360_000);
  },
);
