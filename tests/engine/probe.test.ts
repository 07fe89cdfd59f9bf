import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inProject } from "../../lib/core/root";
import { probe } from "../../lib/engine/ort/probe";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-probe-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A trial process that does something else. */
function part(name: string, body: string): string {
  const file = join(folder, `${name}.ts`);
  writeFileSync(
    file,
    `import { serveParent } from ${JSON.stringify(inProject("lib", "core", "child"))};\nserveParent(async () => { ${body} });\n`,
  );
  return file;
}
const trial = { engine: "ort-cpu", half: false } as const;

describe("the trial of a provider", { timeout: 120_000 }, () => {
  it("passes where numbers are right", async () => {
    await expect(probe(trial)).resolves.toBeUndefined();
  });

  it("gives the first line of an error", async () => {
    await expect(probe(trial, part("throws", 'throw new Error("no adapter\\nat somewhere");'))).rejects.toThrow(
      /^no adapter$/,
    );
  });

  it("outlives a driver that ends its process", async () => {
    await expect(probe(trial, part("dies", "process.abort();"))).rejects.toThrow(
      "its driver ended a trial process (SIGABRT); update the driver",
    );
  });

  it("gives up a driver that hangs", async () => {
    await expect(
      probe(trial, part("hangs", "await new Promise((done) => setTimeout(done, 600_000)); return [];"), 3000),
    ).rejects.toThrow("its driver gave no answer within 3 s; update the driver");
  });

  it("refuses wrong numbers", async () => {
    await expect(probe(trial, part("errs", "return [8, 11, 16, 24];"))).rejects.toThrow(
      "it computes 8, 11, 16, 24 where 8, 11, 16, 23 is right; update the driver",
    );
  });
});
