import { mkdtempSync, rmSync } from "node:fs";
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

  test("an error is reported with name, text and the cell as its place, and the next cell runs", async () => {
    const { status, messages } = await run('throw new RangeError("too far")');
    expect(status).toBe("error");
    expect(messages.find(([type]) => type === "error")![1]).toEqual({
      ename: "RangeError",
      evalue: "too far",
      traceback: ["RangeError: too far", "    at this cell"],
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

  test("a rejection that nobody handles fails its cell, or the next one", async () => {
    expect(await run('void Promise.reject(new Error("left"))')).toMatchObject({
      status: "error",
      evalue: "not awaited: left",
    });
    expect((await run('setTimeout(() => void Promise.reject(new Error("later")), 1); 1')).status).toBe("ok");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await run("1")).toMatchObject({
      status: "error",
      evalue: "an earlier cell left work behind that failed: later",
    });
    expect((await run("1")).status).toBe("ok");
  });

  test.each(["while (true) {}", "await new Promise(() => {})"])("an interrupt stops %s", async (code) => {
    // pressed until it takes: a signal that comes before the cell's code runs stops nothing
    const press = setInterval(() => kernel.interrupt(), 300);
    const reply = await run(code);
    clearInterval(press);
    expect(reply).toMatchObject({ status: "error", ename: "Interrupted" });
    expect((await run("1")).status).toBe("ok");
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
