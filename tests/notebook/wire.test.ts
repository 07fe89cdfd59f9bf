import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  addressOf,
  type Connection,
  decode,
  encode,
  newHeader,
  readConnection,
  SendQueue,
} from "../../lib/notebook/wire";
import fc from "../setup/fast-check";

describe("messages", () => {
  const header = newHeader("stream", "session");
  const identities = [Buffer.from("a"), Buffer.from([0, 255])];
  const message = { identities, header, parent: {}, content: { text: "ü" } };

  test("come back as they were sent, but for a key that would be an object's prototype", () => {
    const key = fc.string().filter((name) => name !== "__proto__");
    expect(decode(encode(message, "key"), "key")).toEqual(message);
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue()), (content) => {
        expect(decode(encode({ ...message, content }, ""), "").content).toEqual(JSON.parse(JSON.stringify(content)));
      }),
      { numRuns: 50 },
    );
    const poisoned = JSON.parse('{"__proto__": {"code": "x"}, "silent": true}') as Record<string, unknown>;
    const { content } = decode(encode({ ...message, content: poisoned }, ""), "");
    expect(content.code).toBeUndefined();
    expect(content.silent).toBe(true);
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
      signature_scheme: "hmac-sha256",
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

test("a connection file with something missing is named, and what is missing", () => {
  const folder = mkdtempSync(join(tmpdir(), "s2-connection-"));
  const file = join(folder, "c.json");
  try {
    expect(() => readConnection(file)).toThrow(/^connection file .*c\.json cannot be read: /);
    writeFileSync(file, '{"transport": "tcp", "ip": "127.0.0.1"}');
    expect(() => readConnection(file)).toThrow(/c\.json: .*expected number.*\n.*at shell_port/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
