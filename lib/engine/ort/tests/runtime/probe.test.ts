import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probe } from "../../runtime/probe";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ort-probe-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A trial process that does something else with what it is asked for. */
function module(name: string, body: string): string {
  const file = join(folder, `${name}.cjs`);
  writeFileSync(file, `process.once("message", () => { ${body} });\n`);
  return file;
}
const answering = (answer: object): string => `process.send(${JSON.stringify(answer)}, () => process.disconnect());`;
const trial = { engine: "ort-cpu", precision: "float32" } as const;

describe("the trial of a provider", { timeout: 120_000 }, () => {
  it("passes where numbers are right", async () => {
    await expect(probe(trial)).resolves.toBeUndefined();
  });

  it("gives the first line of an error", async () => {
    const failing = module("throws", answering({ error: "no adapter\nat somewhere" }));
    await expect(probe(trial, failing)).rejects.toThrow(/^no adapter$/);
  });

  it("outlives a driver that ends its process", async () => {
    await expect(probe(trial, module("dies", "process.abort();"))).rejects.toThrow(
      "its driver ended a trial process (SIGABRT); update the driver",
    );
  });

  it("gives up a driver that hangs", async () => {
    await expect(probe(trial, module("hangs", "setTimeout(() => {}, 600_000);"), 3000)).rejects.toThrow(
      "its driver gave no answer within 3 s; update the driver",
    );
  });

  it("refuses wrong numbers", async () => {
    await expect(probe(trial, module("errs", answering({ numbers: [8, 11, 16, 24] })))).rejects.toThrow(
      "it computes 8, 11, 16, 24 where 8, 11, 16, 23 is right; update the driver",
    );
  });
});
