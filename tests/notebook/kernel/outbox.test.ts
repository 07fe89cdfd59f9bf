import { describe, expect, test } from "vitest";
import { Outbox, type Outgoing } from "../../../lib/notebook/kernel/outbox";
import { newHeader } from "../../../lib/notebook/wire";

const header = (id: string): ReturnType<typeof newHeader> => ({
  ...newHeader("execute_request", "session"),
  msg_id: id,
});

/** An outbox whose messages are kept, and the characters that it says are off. */
function box(limit?: number): { outbox: Outbox; sent: Outgoing[]; size: () => number } {
  const sent: Outgoing[] = [];
  let size = 0;
  const send = async (message: Outgoing): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    sent.push(message);
  };
  const outbox = new Outbox(send, (n) => (size += n), 5, limit);
  outbox.addParent(header("a"));
  outbox.addParent(header("b"));
  return { outbox, sent, size: () => size };
}

const texts = (sent: readonly Outgoing[], name = "stdout"): string =>
  sent
    .filter(({ type, content }) => type === "stream" && content.name === name)
    .map(({ content }) => String(content.text))
    .join("");

describe("the outbox", () => {
  test("100,000 lines become few messages, in order, none lost", async () => {
    const { outbox, sent, size } = box();
    const lines = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`);
    for (const line of lines) outbox.stream("a", "stdout", line);
    await outbox.drained();
    expect(sent.length).toBeLessThan(10);
    expect(texts(sent)).toBe(lines.join(""));
    expect(size()).toBe(lines.join("").length);
  });

  test("stdout, stderr and displays keep their order, and each names its cell", async () => {
    const { outbox, sent } = box();
    outbox.stream("a", "stdout", "1");
    outbox.stream("a", "stdout", "2");
    outbox.stream("a", "stderr", "3");
    outbox.display("a", '{"text/plain":"4"}', undefined, false);
    outbox.stream("b", "stderr", "5");
    outbox.push({ type: "status", parent: header("b"), content: { execution_state: "idle" } });
    await outbox.drained();
    expect(sent.map(({ type, parent, content }) => [type, parent?.msg_id, content.text ?? content.data])).toEqual([
      ["stream", "a", "12"],
      ["stream", "a", "3"],
      ["display_data", "a", { "text/plain": "4" }],
      ["stream", "b", "5"],
      ["status", "b", undefined],
    ]);
  });

  test("of 20,000 updates of two displays the last state of each arrives, after its first", async () => {
    const { outbox, sent } = box();
    for (const id of ["x", "y"]) outbox.display("a", '{"text/plain":"0"}', id, false);
    await outbox.drained();
    for (let i = 1; i <= 10_000; i++)
      for (const id of ["x", "y"]) outbox.display("a", `{"text/plain":"${id}${i}"}`, id, true);
    await outbox.drained();
    expect(sent.map(({ type, content }) => [type, content.data])).toEqual([
      ["display_data", { "text/plain": "0" }],
      ["display_data", { "text/plain": "0" }],
      ["update_display_data", { "text/plain": "x10000" }],
      ["update_display_data", { "text/plain": "y10000" }],
    ]);
  });

  test("a cell's output is cut at its limit, once and with a note, and other cells go on", async () => {
    const { outbox, sent, size } = box(1000);
    for (let i = 0; i < 50; i++) outbox.stream("a", "stdout", "x".repeat(99));
    outbox.display("a", JSON.stringify({ "text/plain": "y" }), undefined, false);
    outbox.stream("b", "stdout", "other");
    await outbox.drained();
    expect(texts(sent)).toBe(`${"x".repeat(1000)}other`);
    expect(texts(sent, "stderr")).toBe("\n[cut here: a cell may print 100 MB; write more to a file]\n");
    // what was cut counts as off: the main thread must not wait for it
    expect(size()).toBeGreaterThanOrEqual(50 * 99);
  });
});
