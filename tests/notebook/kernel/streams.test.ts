import { describe, expect, test } from "vitest";
import { StreamBuffer } from "../../../lib/notebook/kernel/streams";

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
