import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inProject } from "../../lib/core/root";

test("the README's example of another tfjs program runs with the two folders that it names, and learns its weights", async () => {
  const readme = readFileSync(inProject("README.md"), "utf8");
  const source = /```ts\n(import \{ registerOrt \}[^`]*)```/.exec(readme)![1]!;
  const top = mkdtempSync(join(tmpdir(), "s2-elsewhere-"));
  try {
    mkdirSync(join(top, "lib"));
    for (const name of ["core", "engine"])
      await cp(inProject("lib", name), join(top, "lib", name), { recursive: true });
    symlinkSync(inProject("node_modules"), join(top, "node_modules"));
    writeFileSync(
      join(top, "program.ts"),
      source.replace("console.log(w.dataSync())", "console.log(JSON.stringify(Array.from(w.dataSync())))"),
    );
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", require.resolve("tsx"), join(top, "program.ts")],
      { cwd: top, encoding: "utf8", timeout: 500_000 },
    );
    expect(stderr).toBe("");
    const weights = JSON.parse(stdout) as number[];
    expect(weights.length).toBe(8);
    // y is the sum of x: the least squares are at 1
    for (const w of weights) expect(Math.abs(w - 1)).toBeLessThan(0.01);
  } finally {
    rmSync(top, { recursive: true });
  }
}, 600_000);
