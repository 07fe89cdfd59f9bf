import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { inProject, projectRoot } from "../../lib/core/root";

test("the TypeScript compiler has no complaint", { timeout: 300_000 }, () => {
  const tsc = inProject("node_modules", "typescript", "bin", "tsc");
  const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", ".", "--pretty", "false"], {
    cwd: projectRoot(),
    encoding: "utf8",
  });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
