import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { formatNotebook, type Notebook, readNotebook } from "../../lib/notebook/document";
import { notebookNames, notebookPath } from "../../lib/notebook/folder";
import { failureOf } from "../../lib/notebook/kernel/failure";
import { StreamBuffer } from "../../lib/notebook/kernel/streams";
import { installedSpec, installKernel, jupyterPath } from "../../lib/notebook/kernelspec";
import { checkLimits } from "../../lib/notebook/limits";
import { OutputCollector, settle } from "../../lib/notebook/outputs";
import { typeCheck } from "../../lib/notebook/type-check";
import { addressOf, type Connection, decode, encode, newHeader, SendQueue } from "../../lib/notebook/wire";

const cell = (cell_type: "code" | "markdown", source: string): Notebook["cells"][number] => ({
  cell_type,
  source,
  metadata: {},
});
const first = cell("markdown", "# Title\n\nPreset: nano");
const last = cell("markdown", "## What was learnt\n\nA lot. This does not show everything.");
const thin = (...code: string[]): Notebook => ({
  cells: [first, ...code.map((c) => cell("code", c)), last],
  nbformat: 4,
});

describe("messages", () => {
  const header = newHeader("stream", "session");
  const message = { identities: [Buffer.from("a"), Buffer.from([0, 255])], header, parent: {}, content: { text: "ü" } };

  test("come back as they were sent", () => {
    expect(decode(encode(message, "key"), "key")).toEqual(message);
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (content) => {
        expect(decode(encode({ ...message, content }, ""), "").content).toEqual(JSON.parse(JSON.stringify(content)));
      }),
      { numRuns: 50 },
    );
  });

  test("with a wrong signature, or no delimiter, are refused", () => {
    expect(() => decode(encode(message, "key"), "other")).toThrow("a Jupyter message has a wrong signature");
    expect(() => decode([Buffer.from("x")], "key")).toThrow(
      "not a Jupyter message: the delimiter or a part is missing",
    );
  });

  test("addresses of tcp and ipc", () => {
    const tcp: Connection = {
      transport: "tcp",
      ip: "127.0.0.1",
      shell_port: 1,
      iopub_port: 2,
      stdin_port: 3,
      control_port: 4,
      hb_port: 5,
      key: "",
      signature_scheme: "",
    };
    expect(addressOf(tcp, "iopub")).toBe("tcp://127.0.0.1:2");
    expect(addressOf({ ...tcp, transport: "ipc", ip: "kernel" }, "hb")).toBe("ipc://kernel-5");
  });

  test("are sent one after the other, although nobody waits", async () => {
    let busy = false;
    const sent: string[] = [];
    const queue = new SendQueue({
      async send(frames) {
        if (busy) throw new Error("EBUSY");
        busy = true;
        await new Promise((resolve) => setTimeout(resolve, 1));
        busy = false;
        sent.push(String(frames[0]));
      },
    });
    for (let i = 0; i < 20; i++) queue.send([Buffer.from(String(i))]);
    await queue.drained();
    expect(sent).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
  });
});

describe("streams", () => {
  test("20,000 lines become few messages, in order, none lost", () => {
    const messages: [string, string][] = [];
    const buffer = new StreamBuffer((name, text) => messages.push([name, text]));
    for (let i = 0; i < 20_000; i++) buffer.write("stdout", `line ${i}\n`);
    buffer.flush();
    expect(messages.length).toBeLessThan(10);
    expect(messages.map(([, text]) => text).join("")).toBe(
      Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(""),
    );
  });

  test("stdout and stderr keep their order", () => {
    const messages: string[] = [];
    const buffer = new StreamBuffer((name, text) => messages.push(`${name}:${text}`));
    buffer.write("stdout", "a");
    buffer.write("stdout", "b");
    buffer.write("stderr", "c");
    buffer.write("stdout", "d");
    buffer.flush();
    expect(messages).toEqual(["stdout:ab", "stderr:c", "stdout:d"]);
  });
});

describe("outputs", () => {
  test("a progress line is kept in its last state", () => {
    expect(settle("1/3\r2/3\r3/3\ndone\r\n")).toBe("3/3\ndone\n");
  });

  test("streams join, displays update in place, clearing waits when asked to", () => {
    const collector = new OutputCollector();
    collector.add("stream", { name: "stdout", text: "a" });
    collector.add("stream", { name: "stdout", text: "b\n" });
    collector.add("display_data", { data: { "text/plain": "1" }, transient: { display_id: "d" } });
    collector.add("update_display_data", { data: { "text/plain": "2" }, transient: { display_id: "d" } });
    collector.add("execute_result", { data: { "text/plain": "3" }, execution_count: 7 });
    expect(collector.outputs()).toEqual([
      { output_type: "stream", name: "stdout", text: "ab\n" },
      { output_type: "display_data", data: { "text/plain": "2" }, metadata: {} },
      { output_type: "execute_result", data: { "text/plain": "3" }, metadata: {}, execution_count: 7 },
    ]);
    collector.add("clear_output", { wait: true });
    expect(collector.outputs()).toHaveLength(3);
    collector.add("stream", { name: "stdout", text: "new" });
    expect(collector.outputs()).toEqual([{ output_type: "stream", name: "stdout", text: "new" }]);
  });
});

describe("failures", () => {
  test("a user's mistake has no stack, an error's stack ends at the cell", () => {
    expect(failureOf(new UserError("no such preset"), "/p")).toEqual({
      ename: "UserError",
      evalue: "no such preset",
      traceback: ["UserError: no such preset"],
    });
    const error = new TypeError("x");
    error.stack =
      "TypeError: x\n    at f (/p/lib/a.ts:3:1)\n    at node:internal/x:1\n    at evalmachine.<anonymous>:2:1\n    at kernel (/p/lib/k.ts:1:1)";
    expect(failureOf(error, "/p").traceback).toEqual(["TypeError: x", "    at f (lib/a.ts:3:1)", "    at this cell"]);
    expect(failureOf("text", "/p")).toEqual({ ename: "Thrown", evalue: "text", traceback: ["Thrown: text"] });
  });
});

describe("documents", () => {
  test("are written as Jupyter writes them: keys sorted, indent 1, texts as lines", () => {
    const notebook = thin("const a = 1;\na");
    notebook.cells[1]!.outputs = [{ output_type: "stream", name: "stdout", text: "x\ny" }];
    const text = formatNotebook(notebook);
    expect(
      text.startsWith(
        '{\n "cells": [\n  {\n   "cell_type": "markdown",\n   "metadata": {},\n   "source": [\n    "# Title\\n",',
      ),
    ).toBe(true);
    expect(JSON.parse(text).cells[1]).toEqual({
      cell_type: "code",
      execution_count: null,
      metadata: {},
      source: ["const a = 1;\n", "a"],
      outputs: [{ name: "stdout", output_type: "stream", text: ["x\n", "y"] }],
    });
  });

  test("a damaged or old file is an error that names it", () => {
    const folder = mkdtempSync(join(tmpdir(), "s2-notebook-"));
    try {
      const file = join(folder, "a.ipynb");
      writeFileSync(file, "{");
      expect(() => readNotebook(file)).toThrow(/^notebook .*a\.ipynb cannot be read: /);
      writeFileSync(file, '{"cells": [], "nbformat": 3}');
      expect(() => readNotebook(file)).toThrow(/a\.ipynb is not in nbformat 4: nbformat: /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("limits", () => {
  test("a thin notebook passes", () => {
    expect(checkLimits("n", thin("const a = [1].map((x) => x + 1);"))).toEqual([]);
  });

  test.each([
    [thin(...Array.from({ length: 13 }, () => "1")), 0, "has 13 code cells, at most 12 are allowed"],
    [thin("1", "a;\n".repeat(16)), 2, "has 16 lines, at most 15 are allowed"],
    [thin("for (let i = 0; i < 3; i++) step(i);"), 1, "has a loop; move it to lib/"],
    [thin("const f = (x: number) => { return x; };"), 1, "has a function of more than one expression; move it to lib/"],
    [
      { cells: [cell("markdown", "# Title"), last], nbformat: 4 } as Notebook,
      0,
      "must begin with a markdown cell that has a title (# …) and names the preset",
    ],
    [
      { cells: [first, cell("code", "1")], nbformat: 4 } as Notebook,
      0,
      'must end with a markdown cell that says what was learnt and what it "does not show"',
    ],
  ])("finding %#", (notebook, where, message) => {
    expect(checkLimits("n", notebook)).toEqual([{ notebook: "n", cell: where, message }]);
  });
});

describe("type check", () => {
  test("finds the cell and line of an error, and lets cells share names and await", () => {
    const notebook = thin(
      'import { lab } from "./lib";',
      "const a = await Promise.resolve(1);",
      "a;\na.length;",
      "lab.study(3);",
    );
    expect(typeCheck(new Map([["n", notebook]]))).toEqual([
      { notebook: "n", cell: 3, message: "line 2: Property 'length' does not exist on type 'number'." },
      {
        notebook: "n",
        cell: 4,
        message: "line 1: Argument of type 'number' is not assignable to parameter of type 'string'.",
      },
    ]);
  });
});

describe("the project's notebooks", () => {
  const notebooks = new Map(notebookNames().map((n) => [n, readNotebook(notebookPath(n))]));

  test("are there, thin, and type-check", () => {
    expect([...notebooks.keys()]).toContain("00-tour");
    expect([...notebooks].flatMap(([name, notebook]) => checkLimits(name, notebook))).toEqual([]);
    expect(typeCheck(notebooks)).toEqual([]);
  });

  test("name the project's kernel, and are stored as the runner stores them", () => {
    for (const [name, notebook] of notebooks) {
      expect((notebook.metadata as { kernelspec: { name: string } }).kernelspec.name, name).toBe("s2mllm");
      expect(formatNotebook(notebook) === readFileSync(notebookPath(name), "utf8"), name).toBe(true);
    }
  });

  test("are found by number, name or path", () => {
    expect(notebookPath("00")).toBe(notebookPath("00-tour"));
    expect(notebookPath("00-tour.ipynb")).toBe(notebookPath("00-tour"));
    expect(() => notebookPath("00-toor")).toThrow('notebook "00-toor" is unknown (did you mean "00-tour"?)');
  });
});

describe("the kernelspec", () => {
  test("lies where JUPYTER_PATH looks for it, and a copy has absolute paths", () => {
    const inside = JSON.parse(readFileSync(join(jupyterPath(), "kernels", "s2mllm", "kernel.json"), "utf8")) as {
      argv: string[];
    };
    expect(inside.argv).toEqual(["node", "{resource_dir}/start.cjs", "{connection_file}"]);
    const copy = JSON.parse(installedSpec()) as { argv: string[] };
    expect(copy.argv).toEqual([
      process.execPath,
      join(jupyterPath(), "kernels", "s2mllm", "start.cjs"),
      "{connection_file}",
    ]);
  });

  test("without Jupyter the message says what works without", () => {
    expect(() => installKernel("no-such-jupyter")).toThrow(
      /^jupyter could not be started \(.*ENOENT.*\); without installing: JUPYTER_PATH=.*lib.notebook jupyter lab$/,
    );
  });
});
