/** What Jupyter's messaging protocol asks of a kernel, case by case. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { encode, type Message, newHeader } from "../../../lib/notebook/wire";
import { type Client, type Exchange, executeContent } from "./client";

export interface Case {
  readonly name: string;
  /** Section of the protocol's text. */
  readonly section: string;
  readonly request: string;
  readonly expected: string;
  /** Which of runtimed's kernel-testbed this is, by its name there. */
  readonly testbed?: string;
  run(client: Client): Promise<boolean>;
}

const outputs = (exchange: Exchange, type: string): Message["content"][] =>
  exchange.iopub.filter(({ header }) => header.msg_type === type).map(({ content }) => content);
const streamed = (exchange: Exchange, name = "stdout"): string =>
  outputs(exchange, "stream")
    .filter((content) => content.name === name)
    .map(({ text }) => text)
    .join("");
const states = (exchange: Exchange): unknown[] => outputs(exchange, "status").map((c) => c.execution_state);
const reply = ({ reply }: Exchange): Record<string, unknown> => reply?.content ?? {};
const plain = (exchange: Exchange): unknown =>
  (outputs(exchange, "execute_result")[0]?.data as Record<string, unknown> | undefined)?.["text/plain"];
const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const info = async (client: Client): Promise<Record<string, unknown>> =>
  reply(await client.ask("kernel_info_request", {}));
const languageInfo = async (client: Client): Promise<Record<string, unknown>> =>
  ((await info(client)).language_info ?? {}) as Record<string, unknown>;
const all = (exchange: Exchange): Message[] => [...exchange.iopub, ...(exchange.reply ? [exchange.reply] : [])];
const complete = async (client: Client, code: string, cursor = [...code].length): Promise<Record<string, unknown>> =>
  reply(await client.ask("complete_request", { code, cursor_pos: cursor }));
const inspect = async (client: Client, code: string, cursor = [...code].length): Promise<Record<string, unknown>> =>
  reply(await client.ask("inspect_request", { code, cursor_pos: cursor, detail_level: 0 }));
const completeness = async (client: Client, code: string): Promise<Record<string, unknown>> =>
  reply(await client.ask("is_complete_request", { code }));
const history = async (client: Client, content: Record<string, unknown>): Promise<unknown[][]> =>
  (reply(await client.ask("history_request", { raw: true, output: false, ...content })).history ?? []) as unknown[][];

/** Code that computes for some milliseconds of a machine of the usual speed. */
const computing = ({ pace }: Client, ms: number): string =>
  `{ const t = Date.now(); while (Date.now() - t < ${ms * pace}); }`;
/** Code that waits for some milliseconds of a machine of the usual speed. */
const waiting = ({ pace }: Client, ms: number): string =>
  `await new Promise((done) => setTimeout(done, ${ms * pace}));`;

function group(section: string, ...cases: Omit<Case, "section">[]): Case[] {
  return cases.map((one) => ({ section, ...one }));
}

/** Interrupts a cell that runs for ever. */
async function interrupted(client: Client, code: string): Promise<{ cell: Exchange; asked: Exchange }> {
  const cell = client.post("execute_request", executeContent(code));
  await client.pause(700);
  const asked = await client.ask("interrupt_request", {}, { channel: "control" });
  await client.settled(cell);
  return { cell, asked };
}

/** In the order in which they run, in one kernel. */
export const cases: readonly Case[] = [
  ...group(
    "Heartbeat for kernels",
    {
      name: "heartbeat echoes",
      testbed: "heartbeat_responds",
      request: "bytes on the heartbeat socket",
      expected: "the same bytes",
      run: async (c) => (await c.heartbeat("ping")) === "ping",
    },
    {
      name: "heartbeat while a cell runs",
      request: "bytes while a cell computes",
      expected: "the same bytes before the cell ends",
      run: async (c) => {
        const cell = c.post("execute_request", executeContent(computing(c, 1500)));
        await c.pause(500);
        const back = await c.heartbeat("busy");
        const first = cell.reply === undefined;
        await c.settled(cell);
        return back === "busy" && first;
      },
    },
  ),
  ...group(
    "Kernel info",
    {
      name: "kernel_info status",
      testbed: "kernel_info_reply_valid",
      request: "kernel_info_request",
      expected: "kernel_info_reply with status ok",
      run: async (c) => (await info(c)).status === "ok",
    },
    {
      name: "protocol version",
      testbed: "kernel_info_has_protocol_version",
      request: "kernel_info_request",
      expected: "protocol_version of the form 5.x",
      run: async (c) => /^5\.\d+/.test(String((await info(c)).protocol_version)),
    },
    {
      name: "protocol 5.4",
      request: "kernel_info_request",
      expected: "protocol_version 5.4 or later",
      run: async (c) => Number(String((await info(c)).protocol_version).split(".")[1]) >= 4,
    },
    {
      name: "implementation",
      request: "kernel_info_request",
      expected: "implementation and implementation_version are texts",
      run: async (c) => {
        const { implementation, implementation_version } = await info(c);
        return isText(implementation) && isText(implementation_version);
      },
    },
    {
      name: "banner",
      request: "kernel_info_request",
      expected: "a banner for consoles",
      run: async (c) => isText((await info(c)).banner),
    },
    {
      name: "language name",
      testbed: "kernel_info_has_language_info",
      request: "kernel_info_request",
      expected: "language_info.name is typescript",
      run: async (c) => (await languageInfo(c)).name === "typescript",
    },
    {
      name: "language version",
      request: "kernel_info_request",
      expected: "language_info.version is that of the compiler that runs cells",
      run: async (c) => {
        const { version } = await languageInfo(c);
        return version === (await import("@tslab/typescript-for-tslab/package.json")).default.version;
      },
    },
    {
      name: "file extension and MIME type",
      request: "kernel_info_request",
      expected: "language_info with file_extension .ts and a mimetype",
      run: async (c) => {
        const { file_extension, mimetype } = await languageInfo(c);
        return file_extension === ".ts" && isText(mimetype);
      },
    },
    {
      name: "kernel_info on control",
      request: "kernel_info_request on the control channel",
      expected: "kernel_info_reply on the control channel",
      run: async (c) =>
        reply(await c.ask("kernel_info_request", {}, { channel: "control" })).implementation !== undefined,
    },
    {
      name: "kernel_info while a cell runs",
      request: "kernel_info_request on control while a cell computes",
      expected: "kernel_info_reply before the cell ends",
      run: async (c) => {
        const cell = c.post("execute_request", executeContent(computing(c, 1500)));
        await c.pause(500);
        const exchange = await c.ask("kernel_info_request", {}, { channel: "control" });
        const first = exchange.reply !== undefined && cell.reply === undefined;
        await c.settled(cell);
        return first;
      },
    },
  ),
  ...group(
    "General message format",
    {
      name: "parent header of the reply",
      testbed: "parent_header_correlation",
      request: "execute_request",
      expected: "every message's parent_header is the request's header",
      run: async (c) => {
        const exchange = await c.execute('console.log("hello")');
        return (
          all(exchange).length >= 4 && all(exchange).every(({ parent }) => parent.msg_id === exchange.request.msg_id)
        );
      },
    },
    {
      name: "whole parent header",
      request: "execute_request",
      expected: "parent_header is a copy of the header, not of its id alone",
      run: async (c) => {
        const { reply: answer, request } = await c.execute("1");
        return JSON.stringify(answer?.parent) === JSON.stringify(request);
      },
    },
    {
      name: "own session",
      request: "execute_request",
      expected: "the kernel's messages carry a session id of its own, the same in all",
      run: async (c) => {
        const sessions = new Set(all(await c.execute("1")).map(({ header }) => header.session));
        return sessions.size === 1 && !sessions.has(c.session);
      },
    },
    {
      name: "unique message ids",
      request: "execute_request",
      expected: "no two messages have one msg_id",
      run: async (c) => {
        const ids = all(await c.execute('console.log("a"); 1')).map(({ header }) => header.msg_id);
        return ids.length >= 5 && new Set(ids).size === ids.length;
      },
    },
    {
      name: "dates",
      request: "execute_request",
      expected: "header.date is ISO 8601 with a time zone",
      run: async (c) =>
        all(await c.execute("1")).every(({ header }) =>
          /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(String(header.date)),
        ),
    },
    {
      name: "version in headers",
      request: "execute_request",
      expected: "header.version equals kernel_info's protocol_version",
      run: async (c) => {
        const { protocol_version } = await info(c);
        return all(await c.execute("1")).every(({ header }) => header.version === protocol_version);
      },
    },
    {
      name: "wrong signature",
      request: "execute_request signed with another key",
      expected: "the message is ignored and the kernel lives",
      run: async (c) => {
        const header = newHeader("execute_request", c.session);
        const content = executeContent("(globalThis as any).forged = true");
        c.sendRaw(encode({ identities: [], header, parent: {}, content }, "another key"));
        await c.pause(300);
        return plain(await c.execute("String((globalThis as any).forged)")) === "undefined";
      },
    },
    {
      name: "unknown message type",
      request: "a message of a type that no protocol has",
      expected: "ignored; the kernel lives",
      run: async (c) => {
        await c.settled(c.post("no_such_request", {}), { reply: false });
        return plain(await c.execute("1 + 1")) === "2";
      },
    },
    {
      name: "broken request",
      request: "execute_request whose code is a number",
      expected: "a reply with status error; the kernel lives",
      run: async (c) => {
        const { status } = reply(await c.ask("execute_request", { code: 3 }));
        return status === "error" && plain(await c.execute("1 + 1")) === "2";
      },
    },
  ),
  ...group(
    "Kernel status",
    {
      name: "busy, then idle",
      testbed: "status_busy_idle_lifecycle",
      request: "execute_request",
      expected: "status busy first, status idle last",
      run: async (c) => {
        const exchange = await c.execute('console.log("x")');
        const kinds = exchange.iopub.map(({ header }) => header.msg_type);
        return states(exchange).join() === "busy,idle" && kinds[0] === "status" && kinds.at(-1) === "status";
      },
    },
    {
      name: "busy around other requests",
      request: "kernel_info_request",
      expected: "status busy and idle with this request as parent",
      run: async (c) => states(await c.ask("kernel_info_request", {})).join() === "busy,idle",
    },
    {
      name: "busy while it runs",
      request: "execute_request of a second's work",
      expected: "status busy arrives before the cell ends",
      run: async (c) => {
        const cell = c.post("execute_request", executeContent(computing(c, 1200)));
        await c.pause(600);
        const early = states(cell).join() === "busy";
        await c.settled(cell);
        return early;
      },
    },
    {
      name: "iopub welcome",
      request: "a subscription",
      expected: "iopub_welcome with the topic, without a parent",
      run: async (c) =>
        c.unasked.some(({ header, content }) => header.msg_type === "iopub_welcome" && content.subscription === ""),
    },
  ),
  ...group(
    "Execute",
    {
      name: "stdout",
      testbed: "execute_stdout",
      request: 'console.log("hello, world")',
      expected: "stream on stdout",
      run: async (c) => streamed(await c.execute('console.log("hello, world")')) === "hello, world\n",
    },
    {
      name: "stderr",
      testbed: "execute_stderr",
      request: 'console.error("error")',
      expected: "stream on stderr",
      run: async (c) => streamed(await c.execute('console.error("error")'), "stderr") === "error\n",
    },
    {
      name: "execute_reply",
      testbed: "execute_reply_ok",
      request: "1 + 1",
      expected: "execute_reply with status ok, payload and user_expressions",
      run: async (c) => {
        const { status, payload, user_expressions } = reply(await c.execute("1 + 1"));
        return status === "ok" && Array.isArray(payload) && typeof user_expressions === "object";
      },
    },
    {
      name: "execute_input",
      testbed: "execute_input_broadcast",
      request: "1 + 2",
      expected: "execute_input with the code and the count",
      run: async (c) => {
        const exchange = await c.execute("1 + 2");
        const [input] = outputs(exchange, "execute_input");
        return input?.code === "1 + 2" && input.execution_count === reply(exchange).execution_count;
      },
    },
    {
      name: "counting",
      testbed: "execution_count_increments",
      request: "two execute_requests",
      expected: "execution_count one higher",
      run: async (c) => {
        const counts = [reply(await c.execute("1")), reply(await c.execute("2"))].map((r) => Number(r.execution_count));
        return counts[1] === counts[0]! + 1;
      },
    },
    {
      name: "execute_result",
      testbed: "execute_result",
      request: "6 * 7",
      expected: "execute_result with text/plain, metadata and the count",
      run: async (c) => {
        const exchange = await c.execute("6 * 7");
        const [result] = outputs(exchange, "execute_result");
        return (
          plain(exchange) === "42" &&
          typeof result?.metadata === "object" &&
          result.execution_count === reply(exchange).execution_count
        );
      },
    },
    {
      name: "rich execute_result",
      testbed: "rich_execute_result",
      request: "an object with a MIME bundle of its own (Jupyter.display)",
      expected: "execute_result with text/html",
      run: async (c) => {
        const code = '({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<b>1</b>", "text/plain": "1" }) })';
        const [result] = outputs(await c.execute(code), "execute_result");
        return (result?.data as Record<string, unknown> | undefined)?.["text/html"] === "<b>1</b>";
      },
    },
    {
      name: "no result of a statement",
      request: "const unused = 1;",
      expected: "no execute_result",
      run: async (c) => outputs(await c.execute("const unused = 1;"), "execute_result").length === 0,
    },
    {
      name: "awaited result",
      request: "await Promise.resolve(3)",
      expected: "execute_result 3",
      run: async (c) => plain(await c.execute("await Promise.resolve(3)")) === "3",
    },
    {
      name: "error in the reply",
      request: 'throw new RangeError("far")',
      expected: "execute_reply with status error, ename, evalue, traceback",
      run: async (c) => {
        const { status, ename, evalue, traceback } = reply(await c.execute('throw new RangeError("far")'));
        return status === "error" && ename === "RangeError" && evalue === "far" && Array.isArray(traceback);
      },
    },
    {
      name: "error on iopub",
      request: 'throw new RangeError("far")',
      expected: "error with ename, evalue, traceback",
      run: async (c) => {
        const [error] = outputs(await c.execute('throw new RangeError("far")'), "error");
        return error?.ename === "RangeError" && error.evalue === "far" && Array.isArray(error.traceback);
      },
    },
    {
      name: "execution count of a failure",
      request: 'throw new Error("x")',
      expected: "execute_reply with execution_count",
      run: async (c) => typeof reply(await c.execute('throw new Error("x")')).execution_count === "number",
    },
    {
      name: "traceback with the line",
      request: "a function that throws, called two lines below",
      expected: "the texts of both lines in the traceback",
      run: async (c) => {
        const code = "function deep() {\n  throw new Error('x');\n}\ndeep();";
        const traceback = String((reply(await c.execute(code)).traceback as string[] | undefined)?.join("\n"));
        return traceback.includes("throw new Error('x');") && traceback.includes("deep();");
      },
    },
    {
      name: "syntax error",
      testbed: "error_handling",
      request: "let = = 3",
      expected: "status error and an error on iopub",
      run: async (c) => {
        const exchange = await c.execute("let = = 3");
        return reply(exchange).status === "error" && outputs(exchange, "error").length === 1;
      },
    },
    {
      name: "type error",
      request: "const n: number = 'text'",
      expected: "status error that names the type",
      run: async (c) => {
        const exchange = await c.execute("const n: number = 'text'");
        return String(reply(exchange).evalue).includes("'string' is not assignable to type 'number'");
      },
    },
    {
      name: "silent: no execute_input",
      request: "silent execute_request",
      expected: "only status on iopub",
      run: async (c) => {
        const exchange = await c.execute('console.log("x"); 1', { silent: true });
        return exchange.iopub.length > 0 && exchange.iopub.every(({ header }) => header.msg_type === "status");
      },
    },
    {
      name: "silent: the count stays",
      request: "silent execute_request between two others",
      expected: "the next count is one higher, not two",
      run: async (c) => {
        const before = Number(reply(await c.execute("1")).execution_count);
        await c.execute("2", { silent: true });
        return Number(reply(await c.execute("3")).execution_count) === before + 1;
      },
    },
    {
      name: "store_history false: the count stays",
      request: "execute_request with store_history false",
      expected: "the next count is one higher, not two",
      run: async (c) => {
        const before = Number(reply(await c.execute("1")).execution_count);
        await c.execute("2", { store_history: false });
        return Number(reply(await c.execute("3")).execution_count) === before + 1;
      },
    },
    {
      name: "user_expressions",
      request: "user_expressions {twice: '2 * seen'} with const seen = 4;",
      expected: "user_expressions.twice with status ok and text/plain 8",
      run: async (c) => {
        const exchange = await c.execute("const seen = 4;", { user_expressions: { twice: "2 * seen" } });
        const { twice } = (reply(exchange).user_expressions ?? {}) as Record<string, Record<string, unknown>>;
        return twice?.status === "ok" && (twice.data as Record<string, unknown>)["text/plain"] === "8";
      },
    },
    {
      name: "user_expressions that fail",
      request: "user_expressions {bad: 'noSuchName'}",
      expected: "user_expressions.bad with status error; the reply is ok",
      run: async (c) => {
        const exchange = await c.execute("1", { user_expressions: { bad: "noSuchName" } });
        const { bad } = (reply(exchange).user_expressions ?? {}) as Record<string, Record<string, unknown>>;
        return reply(exchange).status === "ok" && bad?.status === "error" && isText(bad.ename);
      },
    },
    {
      name: "stop_on_error",
      request: "three execute_requests at once, the first fails",
      expected: "status error, aborted, aborted",
      run: async (c) => {
        const sent = ["throw new Error('x')", "1", "2"].map((code) => c.post("execute_request", executeContent(code)));
        for (const exchange of sent) await c.settled(exchange);
        return sent.map((exchange) => reply(exchange).status).join() === "error,aborted,aborted";
      },
    },
    {
      name: "stop_on_error false",
      request: "two at once, the first fails with stop_on_error false",
      expected: "status error, ok",
      run: async (c) => {
        const first = c.post("execute_request", executeContent("throw new Error('x')", { stop_on_error: false }));
        const second = c.post("execute_request", executeContent("1"));
        for (const exchange of [first, second]) await c.settled(exchange);
        return `${reply(first).status},${reply(second).status}` === "error,ok";
      },
    },
    {
      name: "sent right after an error",
      request: "execute_request as soon as the error's reply is there",
      expected: "it runs",
      run: async (c) => {
        const failed = c.post("execute_request", executeContent("throw new Error('x')"));
        while (failed.reply === undefined) await sleep(1);
        return plain(await c.execute("5")) === "5";
      },
    },
    {
      name: "help on a name",
      request: "setTimeout?",
      expected: "payload with source page and text/plain",
      run: async (c) => {
        const [page] = (reply(await c.execute("setTimeout?")).payload ?? []) as Record<string, unknown>[];
        return page?.source === "page" && isText((page.data as Record<string, unknown>)["text/plain"]);
      },
    },
  ),
  ...group(
    "Streams",
    {
      name: "20,000 lines",
      request: "20,000 console.log in a loop",
      expected: "every line, in order",
      run: async (c) => {
        const text = streamed(await c.execute('for (let i = 0; i < 20000; i++) console.log("line", i);'));
        return text === Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join("");
      },
    },
    {
      name: "both streams in order",
      request: "stdout, stderr, stdout",
      expected: "three pieces in this order",
      run: async (c) => {
        const exchange = await c.execute('console.log("a"); console.error("b"); console.log("c");');
        return (
          outputs(exchange, "stream")
            .map(({ text }) => text)
            .join("") === "a\nb\nc\n"
        );
      },
    },
    {
      name: "a line of 4 MB",
      request: "one console.log of 4 MB",
      expected: "all of it",
      run: async (c) => streamed(await c.execute('console.log("x".repeat(4_000_000))')).length === 4_000_001,
    },
    {
      name: "emoji and right-to-left text",
      request: "console.log of both",
      expected: "unharmed",
      run: async (c) => streamed(await c.execute('console.log("🪑 כיסא")')) === "🪑 כיסא\n",
    },
    {
      name: "bytes written to stdout",
      request: "process.stdout.write of UTF-8 bytes",
      expected: "their text",
      run: async (c) => streamed(await c.execute('process.stdout.write(Buffer.from("ü"));')).startsWith("ü"),
    },
    {
      name: "live output",
      request: "a line, then a second of computing",
      expected: "the line arrives before the cell ends",
      run: async (c) => {
        const code = `console.log("now"); ${computing(c, 1500)}`;
        const cell = c.post("execute_request", executeContent(code));
        await c.pause(900);
        const live = streamed(cell) === "now\n" && cell.reply === undefined;
        await c.settled(cell);
        return live;
      },
    },
    {
      name: "late output",
      request: "a timer that prints after the cell's end, while another cell runs",
      expected: "stream with the first cell as parent",
      run: async (c) => {
        const first = await c.execute('setTimeout(() => console.log("late"), 300);');
        await c.execute(waiting(c, 800));
        return streamed(first) === "late\n";
      },
    },
    {
      name: "late error",
      request: "a timer that throws while another cell runs",
      expected: "error with the first cell as parent; the other cell is ok",
      run: async (c) => {
        const first = await c.execute('setTimeout(() => { throw new Error("late"); }, 300);');
        const second = await c.execute(waiting(c, 800));
        return outputs(first, "error")[0]?.evalue === "late" && reply(second).status === "ok";
      },
    },
  ),
  ...group(
    "Display data",
    {
      name: "display_data",
      testbed: "display_data",
      request: 'tslab.display.html("<b>x</b>")',
      expected: "display_data with text/html and metadata",
      run: async (c) => {
        const exchange = await c.execute('import * as tslab from "tslab"; tslab.display.html("<b>x</b>");');
        const [shown] = outputs(exchange, "display_data");
        return (
          (shown?.data as Record<string, unknown>)?.["text/html"] === "<b>x</b>" && typeof shown?.metadata === "object"
        );
      },
    },
    {
      name: "pictures in base64",
      request: "tslab.display.png of bytes",
      expected: "image/png in base64",
      run: async (c) => {
        const [shown] = outputs(await c.execute("tslab.display.png(new Uint8Array([1, 2]));"), "display_data");
        return (shown?.data as Record<string, unknown>)?.["image/png"] === "AQI=";
      },
    },
    {
      name: "update_display_data",
      testbed: "update_display_data",
      request: "newDisplay(), shown, then updated a second later",
      expected: "display_data and update_display_data with one transient.display_id",
      run: async (c) => {
        const code =
          'const live = tslab.newDisplay(); live.text("1");' +
          'await new Promise((done) => setTimeout(done, 300)); live.text("2");';
        const exchange = await c.execute(code);
        const id = (content: Record<string, unknown> | undefined): unknown =>
          (content?.transient as Record<string, unknown> | undefined)?.display_id;
        const [shown, updated] = [outputs(exchange, "display_data")[0], outputs(exchange, "update_display_data")[0]];
        return isText(id(shown)) && id(shown) === id(updated);
      },
    },
    {
      name: "5,000 updates",
      request: "one display updated 5,000 times",
      expected: "its last state",
      run: async (c) => {
        const code = "const bar = tslab.newDisplay(); for (let i = 0; i < 5000; i++) bar.text(String(i));";
        const exchange = await c.execute(code);
        const last = exchange.iopub.filter(({ header }) => header.msg_type.endsWith("display_data")).at(-1);
        return (last?.content.data as Record<string, unknown>)?.["text/plain"] === "4999";
      },
    },
    {
      name: "clear_output",
      request: "console.clear()",
      expected: "clear_output with wait",
      run: async (c) => typeof outputs(await c.execute("console.clear();"), "clear_output")[0]?.wait === "boolean",
    },
  ),
  ...group(
    "Completion",
    {
      name: "complete_reply",
      testbed: "complete_request",
      request: "complete_request behind a dot",
      expected: "complete_reply with status ok, matches, cursors and metadata",
      run: async (c) => {
        await c.execute("const completed = { alpha: 1, beta: 2 };");
        const { status, matches, metadata } = await complete(c, "completed.");
        return status === "ok" && Array.isArray(matches) && matches.includes("alpha") && typeof metadata === "object";
      },
    },
    {
      name: "what is replaced",
      request: "complete_request behind a prefix",
      expected: "cursor_start and cursor_end span the prefix",
      run: async (c) => {
        const { cursor_start, cursor_end } = await complete(c, "completed.al");
        return cursor_start === 10 && cursor_end === 12;
      },
    },
    {
      name: "names of earlier cells",
      request: "complete_request of a prefix",
      expected: "the earlier cell's name",
      run: async (c) => ((await complete(c, "comple")).matches as string[]).includes("completed"),
    },
    {
      name: "cursor in code points",
      request: "complete_request behind an emoji",
      expected: "matches; cursors count the emoji as one",
      run: async (c) => {
        const { matches, cursor_start } = await complete(c, '"🪑"; completed.al');
        return (matches as string[]).includes("alpha") && cursor_start === 15;
      },
    },
    {
      name: "in a string",
      request: "complete_request inside an import's string",
      expected: "names of files",
      run: async (c) =>
        ((await complete(c, 'import { x } from "./lib/core/er')).matches as string[]).includes("errors"),
    },
    {
      name: "complete on a broken line",
      request: "complete_request in code that does not parse",
      expected: "complete_reply with status ok",
      run: async (c) => (await complete(c, "if ((completed.")).status === "ok",
    },
  ),
  ...group(
    "Introspection",
    {
      name: "inspect_reply",
      testbed: "inspect_request",
      request: "inspect_request on a name",
      expected: "found, text/plain and metadata",
      run: async (c) => {
        const { status, found, data, metadata } = await inspect(c, "completed");
        const text = String((data as Record<string, unknown>)?.["text/plain"]);
        return status === "ok" && found === true && text.includes("completed") && typeof metadata === "object";
      },
    },
    {
      name: "nothing to inspect",
      request: "inspect_request on white space",
      expected: "found false",
      run: async (c) => (await inspect(c, "   ", 1)).found === false,
    },
    {
      name: "inside a call",
      request: "inspect_request behind the opening parenthesis",
      expected: "the function's signature",
      run: async (c) => {
        const { data } = await inspect(c, "parseInt(");
        return String((data as Record<string, unknown>)?.["text/plain"]).includes("parseInt(");
      },
    },
    {
      name: "inspect in code points",
      request: "inspect_request behind an emoji",
      expected: "the name under the cursor",
      run: async (c) => {
        const { data } = await inspect(c, '"🪑🪑"; completed; 1', 12);
        return String((data as Record<string, unknown>)?.["text/plain"]).includes("completed");
      },
    },
  ),
  ...group(
    "Code completeness",
    {
      name: "complete code",
      testbed: "is_complete_complete",
      request: "1 + 1",
      expected: "complete",
      run: async (c) => (await completeness(c, "1 + 1")).status === "complete",
    },
    {
      name: "incomplete code",
      testbed: "is_complete_incomplete",
      request: "function f() {",
      expected: "incomplete, with an indent",
      run: async (c) => {
        const { status, indent } = await completeness(c, "function f() {");
        return status === "incomplete" && indent === "  ";
      },
    },
    {
      name: "an open template string",
      request: "const t = `open",
      expected: "incomplete",
      run: async (c) => (await completeness(c, "const t = `open")).status === "incomplete",
    },
    {
      name: "an open comment",
      request: "/* open",
      expected: "incomplete",
      run: async (c) => (await completeness(c, "/* open")).status === "incomplete",
    },
    {
      name: "an open call",
      request: "Math.max(1,",
      expected: "incomplete",
      run: async (c) => (await completeness(c, "Math.max(1,")).status === "incomplete",
    },
    {
      name: "broken code",
      request: "let = = 3",
      expected: "invalid",
      run: async (c) => (await completeness(c, "let = = 3")).status === "invalid",
    },
    {
      name: "a cut string",
      request: '"cut',
      expected: "invalid: no more text can mend it",
      run: async (c) => (await completeness(c, '"cut\n1')).status === "invalid",
    },
  ),
  ...group(
    "History",
    {
      name: "tail",
      testbed: "history_request",
      request: "the last two entries",
      expected: "(session, line, input) of both, in order",
      run: async (c) => {
        for (const code of ["'one'", "'two'"]) await c.execute(code);
        const found = await history(c, { hist_access_type: "tail", n: 2 });
        return found.map((entry) => entry[2]).join() === "'one','two'" && found[0]?.length === 3;
      },
    },
    {
      name: "with output",
      request: "tail with output true",
      expected: "(session, line, (input, output))",
      run: async (c) => {
        const [entry] = await history(c, { hist_access_type: "tail", n: 1, output: true });
        return JSON.stringify(entry?.[2]) === '["\'two\'","two"]';
      },
    },
    {
      name: "range",
      request: "lines from one up to the next, session 0",
      expected: "one entry",
      run: async (c) => {
        const [last] = await history(c, { hist_access_type: "tail", n: 1 });
        const start = Number(last?.[1]);
        const found = await history(c, { hist_access_type: "range", session: 0, start, stop: start + 1 });
        return found.length === 1 && found[0]?.[2] === "'two'";
      },
    },
    {
      name: "search",
      request: "pattern 'tw*",
      expected: "the entry",
      run: async (c) => {
        const found = await history(c, { hist_access_type: "search", pattern: "'tw*" });
        return found.length === 1 && found[0]?.[2] === "'two'";
      },
    },
    {
      name: "search unique",
      request: "pattern of code that ran three times, unique",
      expected: "one entry",
      run: async (c) => {
        for (let i = 0; i < 3; i++) await c.execute("'again'");
        const search = { hist_access_type: "search", pattern: "'again'" };
        const [every, once] = [await history(c, search), await history(c, { ...search, unique: true })];
        return every.length === 3 && once.length === 1;
      },
    },
    {
      name: "search n",
      request: "pattern * with n 2",
      expected: "the last two",
      run: async (c) => (await history(c, { hist_access_type: "search", pattern: "*", n: 2 })).length === 2,
    },
    {
      name: "store_history false",
      request: "tail after a cell with store_history false",
      expected: "without that cell",
      run: async (c) => {
        await c.execute("'kept'");
        await c.execute("'hidden'", { store_history: false });
        return (await history(c, { hist_access_type: "tail", n: 1 }))[0]?.[2] === "'kept'";
      },
    },
  ),
  ...group(
    "Comms",
    {
      name: "comm_info",
      testbed: "comm_info_request",
      request: "comm_info_request",
      expected: "comm_info_reply with status ok and comms",
      run: async (c) => {
        const { reply: answer } = await c.ask("comm_info_request", {});
        return (
          answer?.header.msg_type === "comm_info_reply" &&
          answer.content.status === "ok" &&
          typeof answer.content.comms === "object"
        );
      },
    },
    {
      name: "comm_open of an unknown target",
      testbed: "comms_lifecycle",
      request: "comm_open",
      expected: "comm_close with its comm_id",
      run: async (c) => {
        const comm_id = randomUUID();
        const content = { comm_id, target_name: "no.such.target", data: {} };
        const exchange = await c.settled(c.post("comm_open", content), { reply: false });
        return outputs(exchange, "comm_close")[0]?.comm_id === comm_id;
      },
    },
    {
      name: "comm_msg and comm_close of an unknown comm",
      request: "comm_msg, comm_close",
      expected: "busy and idle, nothing else; the kernel lives",
      run: async (c) => {
        for (const type of ["comm_msg", "comm_close"]) {
          const exchange = await c.settled(c.post(type, { comm_id: "none", data: {} }), { reply: false });
          if (states(exchange).join() !== "busy,idle") return false;
        }
        return plain(await c.execute("1 + 1")) === "2";
      },
    },
  ),
  ...group(
    "Messages on the stdin channel",
    {
      name: "input_request",
      testbed: "stdin_input_request",
      request: 'prompt("name?")',
      expected: "input_request with the prompt; its answer is the value",
      run: async (c) => {
        const exchange = await c.execute('prompt("name?")', {}, { lines: ["test_input_42"] });
        return String(exchange.stdin[0]?.content.prompt).includes("name?") && plain(exchange) === "test_input_42";
      },
    },
    {
      name: "readline",
      request: "two questions by node:readline/promises",
      expected: "two input_requests and both answers",
      run: async (c) => {
        const code =
          'import { createInterface } from "node:readline/promises";\n' +
          "const lines = createInterface({ input: process.stdin, output: process.stdout });\n" +
          'const both = [await lines.question("a? "), await lines.question("b? ")]; lines.close(); both.join("+")';
        const exchange = await c.execute(code, {}, { lines: ["1", "2"] });
        return exchange.stdin.length === 2 && plain(exchange) === "1+2";
      },
    },
    {
      name: "allow_stdin false",
      request: "prompt() in a request with allow_stdin false",
      expected: "no input_request; an error that says so",
      run: async (c) => {
        const exchange = await c.execute('prompt("x")', { allow_stdin: false });
        return (
          exchange.stdin.length === 0 &&
          reply(exchange).status === "error" &&
          /input/.test(String(reply(exchange).evalue))
        );
      },
    },
  ),
  ...group(
    "Kernel interrupt",
    {
      name: "interrupt_reply",
      testbed: "interrupt_request",
      request: "interrupt_request on control while nothing runs",
      expected: "interrupt_reply with status ok",
      run: async (c) => reply(await c.ask("interrupt_request", {}, { channel: "control" })).status === "ok",
    },
    {
      name: "an endless loop",
      request: "interrupt_request during while (true) {}",
      expected: "interrupt_reply at once; the cell ends with status error",
      run: async (c) => {
        const { cell, asked } = await interrupted(c, "let turns = 0; while (true) turns++;");
        return reply(asked).status === "ok" && reply(cell).status === "error";
      },
    },
    {
      name: "after the interrupt",
      request: "the loop's variable",
      expected: "it has its value",
      run: async (c) => Number(plain(await c.execute("turns"))) > 0,
    },
    {
      name: "a loop after an await",
      request: "interrupt_request during await 0; while (true) {}",
      expected: "the cell ends, the next one runs",
      run: async (c) => {
        const { cell } = await interrupted(c, "await 0; while (true) {}");
        return reply(cell).status === "error" && plain(await c.execute("1 + 1")) === "2";
      },
    },
    {
      name: "an endless chain of awaits",
      request: "interrupt_request during for (;;) await null",
      expected: "the cell ends, the next one runs",
      run: async (c) => {
        const { cell } = await interrupted(c, "for (;;) await null;");
        return reply(cell).status === "error" && plain(await c.execute("1 + 1")) === "2";
      },
    },
    {
      name: "nothing goes on",
      request: "interrupt_request during a timer's printing",
      expected: "no output after the cell's end",
      run: async (c) => {
        const { cell } = await interrupted(
          c,
          'setInterval(() => console.log("tick"), 20); await new Promise(() => {});',
        );
        const seen = cell.iopub.length;
        await c.pause(500);
        return reply(cell).status === "error" && cell.iopub.length === seen;
      },
    },
  ),
  ...group(
    "Kernel shutdown",
    {
      name: "shutdown_reply",
      testbed: "shutdown_reply",
      request: "shutdown_request on control with restart true",
      expected: "shutdown_reply with status ok and restart true",
      run: async (c) => {
        const exchange = c.post("shutdown_request", { restart: true }, "control");
        for (let i = 0; i < 600 && exchange.reply === undefined; i++) await sleep(10);
        return reply(exchange).status === "ok" && reply(exchange).restart === true;
      },
    },
    {
      name: "the process ends",
      request: "the shutdown before",
      expected: "the process ends by itself with status 0",
      run: async (c) => (await Promise.race([c.ended, sleep(20_000, "still there")])) === 0,
    },
  ),
];
