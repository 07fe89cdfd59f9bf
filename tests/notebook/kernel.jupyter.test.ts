import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { findProgram } from "../../lib/core/programs";
import { inProject } from "../../lib/core/root";
import { jupyterPath } from "../../lib/notebook/kernelspec";

const env = { ...process.env, JUPYTER_PATH: jupyterPath(), PYDEVD_DISABLE_FILE_VALIDATION: "1" };

/** A Python that has PyPI's jupyter_kernel_test: S2_JUPYTER_PYTHON, as .ci/run sets it, or python3. */
function findPython(): string | undefined {
  const python = findProgram([process.env.S2_JUPYTER_PYTHON ?? "python3"]);
  if (python === undefined) return undefined;
  return spawnSync(python, ["-c", "import jupyter_kernel_test"], { env }).status === 0 ? python : undefined;
}

const python = findPython();

describe.skipIf(python === undefined && process.env.CI !== "true")(
  "PyPI's jupyter_kernel_test (left out where Python has it not)",
  () => {
    test("passes with samples for every test, none skipped", { timeout: 600_000 }, () => {
      expect(python, "a Python with jupyter_kernel_test").toBeDefined();
      const file = inProject("tests", "notebook", "protocol", "test_kernel.py");
      const { stderr, status } = spawnSync(python!, ["-W", "ignore", file], { env, encoding: "utf8" });
      expect(stderr).toContain("Ran 13 tests");
      expect(stderr).not.toContain("skipped");
      expect(status, stderr).toBe(0);
    });
  },
);
