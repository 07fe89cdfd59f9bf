import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectRoot } from "../../lib/core/root";
import { KernelSession } from "../../lib/notebook/session";

describe("a kernel", () => {
  let folder: string;
  let kernel: KernelSession;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "s2-kernel-"));
    kernel = await KernelSession.start(folder);
  }, 120_000);
  afterAll(async () => {
    await kernel.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const text = (messages: readonly [string, Record<string, unknown>][]): string =>
    messages.map(([, { data }]) => (data as Record<string, string> | undefined)?.["text/plain"] ?? "").join("");

  const run = async (
    code: string,
  ): Promise<{ status: string; evalue?: string; messages: [string, Record<string, unknown>][] }> => {
    const messages: [string, Record<string, unknown>][] = [];
    const reply = await kernel.execute(code, (type, content) => messages.push([type, content]));
    return { ...reply, messages };
  };

  test("starts in the project root, wherever the notebook lies", async () => {
    const { messages } = await run("process.cwd()");
    expect(messages.find(([type]) => type === "execute_result")![1].data).toEqual({ "text/plain": projectRoot() });
  });

  test("imports lib/ by its path, also what lib/ loads late", async () => {
    const { status, messages } = await run('import { Rng } from "./lib/core/rng"; console.log(new Rng(1).int(1));');
    expect([status, messages.find(([type]) => type === "stream")?.[1]]).toEqual([
      "ok",
      { name: "stdout", text: "0\n" },
    ]);
  });

  test("cells are checked strictly and keep their names", async () => {
    expect((await run("const list: number[] = [1];")).status).toBe("ok");
    const wrong = await run('list.push("2")');
    expect(wrong).toMatchObject({
      status: "error",
      ename: "TypeScript",
      evalue: "line 1, column 11: Argument of type 'string' is not assignable to parameter of type 'number'.",
    });
  });

  test.each([
    ["await (Promise.resolve(3))", "3"],
    ["let sum = 0; for await (const n of [1, 2]) sum += n; sum", "3"],
    ["export const exported = 1; export default function twice(n: number) { return 2 * n; }", ""],
    ["twice(exported)", "2"],
    // names of earlier cells in short properties, read and assigned to
    ["let short = 1; const kept = 2;", ""],
    ["({ short, kept }).short + [{ short }].length", "2"],
    ["({ short } = { short: 5 }); ({ short, missing: [kept as unknown] } as { short: number }).short", "5"],
    ["({ short = 7 } = {} as { short?: number }); const shorter = () => ({ short }); shorter().short", "7"],
    ['export { join as joined } from "node:path";', ""],
    ['joined("a", "b")', "a/b"],
    ["const { a, b: [c] } = { a: 1, b: [2] };", ""],
    ['const { a, b: [c] } = { a: "x", b: [true] }; a.length', "1"],
    ["Promise.resolve({ awaited: true })", "{ awaited: true }"],
    ["enum Kind { First }\nKind.First", "0"],
  ])("accepts %s", async (code, shown) => {
    const { status, messages, evalue } = await run(code);
    expect([status, evalue]).toEqual(["ok", undefined]);
    expect(text(messages)).toBe(shown);
  });

  test("relative imports are looked for beside the notebook first", async () => {
    writeFileSync(join(folder, "beside.ts"), "export const where: string = 'beside the notebook';");
    expect(text((await run('import { where } from "./beside"; where')).messages)).toBe("beside the notebook");
  });

  test("a cell that fails keeps what it assigned, and takes no earlier value away", async () => {
    await run("let before = 1;");
    expect((await run('const assigned = 2; before = 3; throw new Error("x");')).status).toBe("error");
    expect(text((await run("[assigned, before]")).messages)).toBe("[ 2, 3 ]");
    expect((await run("const before = await Promise.reject(new Error('y'));")).status).toBe("error");
    expect(text((await run("before")).messages)).toBe("3");
  });

  test("tslab's own display calls work", async () => {
    const { messages } = await run(
      'import * as tslab from "tslab"; tslab.display.html("<b>x</b>"); tslab.display.raw("text/x", "y");' +
        'tslab.display.png(new Uint8Array([1])); const d = tslab.newDisplay(); d.text("1"); d.text("2");',
    );
    const shown = messages.filter(([type]) => type.endsWith("display_data")).map(([, { data }]) => data);
    expect(shown.slice(0, 3)).toEqual([{ "text/html": "<b>x</b>" }, { "text/x": "y" }, { "image/png": "AQ==" }]);
    expect(shown.at(-1)).toEqual({ "text/plain": "2" });
  });

  test("an error is reported with name, text and the cell as its place, and the next cell runs", async () => {
    const { status, messages } = await run('throw new RangeError("too far")');
    expect(status).toBe("error");
    expect(messages.find(([type]) => type === "error")![1]).toEqual({
      ename: "RangeError",
      evalue: "too far",
      traceback: [
        "RangeError: too far",
        expect.stringMatching(/^ {4}at cell \d+, line 1$/),
        '        throw new RangeError("too far")',
      ],
    });
    expect((await run("1")).status).toBe("ok");
  });

  test("cells sent behind a failing one are aborted", async () => {
    const all = await Promise.all([
      kernel.execute("await new Promise((r) => setTimeout(r, 50)); throw new Error('x')"),
      kernel.execute("1"),
      kernel.execute("2"),
    ]);
    expect(all.map((r) => r.status)).toEqual(["error", "aborted", "aborted"]);
  });

  test("a cell that prints more than 100 MB is cut there with a note, and the kernel goes on", async () => {
    let printed = 0;
    let noted = "";
    const code = 'const megabyte = "x".repeat(1e6); for (let i = 0; i < 110; i++) console.log(megabyte);';
    const { status } = await kernel.execute(code, (_, { name, text: chunk }) => {
      if (name === "stdout") printed += String(chunk).length;
      if (name === "stderr") noted += String(chunk);
    });
    expect([status, printed]).toEqual(["ok", 100e6]);
    expect(noted).toBe("\n[cut here: a cell may print 100 MB; write more to a file]\n");
    expect(text((await run("megabyte.length")).messages)).toBe("1000000");
  }, 120_000);

  test("a rejection that nobody handles fails its cell", async () => {
    expect(await run('void Promise.reject(new Error("left"))')).toMatchObject({
      status: "error",
      evalue: "not awaited: left",
    });
  });

  test("what comes after a cell's end stands under that cell, errors too, and fails no other", async () => {
    const first = await run(
      'setTimeout(() => { console.log("late"); throw new RangeError("later"); }, 200); console.log("first");',
    );
    const second = await run('await new Promise((done) => setTimeout(done, 600)); console.log("second")');
    expect([first.status, second.status]).toEqual(["ok", "ok"]);
    const shown = ({ messages }: typeof first): unknown[] =>
      messages.flatMap(([type, { text, evalue }]) => (/stream|error/.test(type) ? [text ?? evalue] : []));
    expect(shown(first)).toEqual(["first\n", "late\n", "later"]);
    expect(shown(second)).toEqual(["second\n"]);
  });

  test.each([
    "while (true) kept++;",
    "await 0; while (true) kept++;",
    "try { while (true) kept++; } finally { kept = -1; }",
    "for (;;) { await null; kept++; }",
    "await new Promise(() => {})",
    "setTimeout(() => { while (true) kept++; }, 1); await new Promise(() => {})",
    "for (;;) { await new Promise((done) => setTimeout(done, 1)); kept++; }",
    "for (;;) { await new Promise((done) => setImmediate(done)); kept++; }",
    "const step = () => { kept++; queueMicrotask(step); }; step(); await new Promise(() => {})",
    'import { readFile } from "node:fs/promises"; for (;;) { await readFile("package.json"); kept++; }',
    'import { setInterval as every } from "node:timers/promises"; for await (const _ of every(1)) kept++;',
    'setInterval(() => { kept++; console.log("tick"); }, 5); await new Promise(() => {})',
  ])("an interrupt ends %s, and keeps the variables", async (code) => {
    expect((await run("let kept = 1;")).status).toBe("ok");
    let started = false;
    const messages: string[] = [];
    const running = kernel.execute(`console.log("started"); ${code}`, (type, content) => {
      if (type !== "stream") return;
      messages.push(String(content.text));
      if (!started) kernel.interrupt();
      started = true;
    });
    // behind the one that is interrupted
    const queued = kernel.execute("kept = -2;");
    expect(await running).toMatchObject({ status: "error", ename: "Interrupted" });
    expect((await queued).status).toBe("aborted");
    const seen = messages.length;
    const value = async (): Promise<number> => Number(text((await run("kept")).messages));
    const kept = await value();
    expect(kept).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // nothing of it goes on
    expect(await value()).toBe(kept);
    expect(messages.length).toBe(seen);
  });

  test.each([
    ["a loop", "while (true) {}"],
    [
      "work that takes a second to stop",
      'import { onInterrupt } from "./lib/core/interrupt"; await new Promise<void>((done) => {' +
        "const forget = onInterrupt(() => setTimeout(() => { forget(); done(); }, 1000)); });",
    ],
    [
      "work that stops with an error",
      'import { onInterrupt } from "./lib/core/interrupt"; await new Promise<void>((_, fail) => {' +
        'const forget = onInterrupt(() => setTimeout(() => { forget(); fail(new Error("stopped")); }, 300)); });',
    ],
  ])("an interrupt of %s aborts the cells sent before it and none sent after it", async (_, code) => {
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    for (const wait of [0, 10, 50, 200]) {
      let started = (): void => {};
      const begun = new Promise<void>((resolve) => (started = resolve));
      const running = kernel.execute(`console.log("started"); ${code}`, (type) => type === "stream" && started());
      await begun;
      const before = [kernel.execute("1"), kernel.execute("2")];
      kernel.interrupt();
      await pause(wait);
      const after = [kernel.execute("3"), kernel.execute("4")];
      await running;
      expect((await Promise.all(before)).map(({ status }) => status)).toEqual(["aborted", "aborted"]);
      expect(
        (await Promise.all(after)).map(({ status }) => status),
        `${wait} ms later`,
      ).toEqual(["ok", "ok"]);
    }
  });

  test("what an earlier cell left behind is ended too, when no cell runs", async () => {
    const left = await run("setTimeout(() => { while (true) {} }, 50); 1");
    expect(left.status).toBe("ok");
    await new Promise((resolve) => setTimeout(resolve, 200));
    kernel.interrupt();
    expect((await run("2")).status).toBe("ok");
  });

  test("work that listens and does not end is ended by a second interrupt", async () => {
    let asked = 0;
    const reply = await kernel.execute(
      'import { onInterrupt } from "./lib/core/interrupt";' +
        'const forget = onInterrupt(() => console.log("asked")); console.log("working"); await new Promise(() => {})',
      (type) => {
        if (type === "stream" && asked++ < 2) kernel.interrupt();
      },
    );
    expect(reply).toMatchObject({ status: "error", ename: "Interrupted" });
    expect((await run("forget(); 1")).status).toBe("ok");
  });

  test("work that listens and does not end is ended after its grace of ten seconds", { timeout: 60_000 }, async () => {
    let asked = NaN;
    const reply = await kernel.execute(
      'import { onInterrupt } from "./lib/core/interrupt";' +
        'const deaf = onInterrupt(() => {}); const held = 5; console.log("working"); await new Promise(() => {})',
      (type) => {
        if (type !== "stream") return;
        asked = Date.now();
        kernel.interrupt();
      },
    );
    expect(reply).toMatchObject({ status: "error", ename: "Interrupted" });
    expect(Date.now() - asked).toBeGreaterThan(9_900);
    expect(text((await run("deaf(); held")).messages)).toBe("5");
  });

  test("work that listens is asked to stop and ends the cell itself", async () => {
    const said: unknown[] = [];
    const code =
      'import { onInterrupt } from "./lib/core/interrupt";' +
      'const stopped = new Promise<void>((done) => onInterrupt(() => { console.log("saved"); done(); }));' +
      'console.log("working"); await stopped;';
    const reply = await kernel.execute(code, (type, content) => {
      if (type !== "stream") return;
      said.push(content.text);
      if (content.text === "working\n") kernel.interrupt();
    });
    expect([reply.status, said]).toEqual(["ok", ["working\n", "saved\n"]]);
  });
});
