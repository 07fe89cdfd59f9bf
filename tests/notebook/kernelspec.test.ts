import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { installedSpec, installKernel, jupyterPath } from "../../lib/notebook/kernelspec";

describe("the kernelspec", () => {
  test("lies where JUPYTER_PATH looks for it, and a copy has absolute paths", () => {
    const inside = JSON.parse(readFileSync(join(jupyterPath(), "kernels", "s2mllm", "kernel.json"), "utf8")) as {
      argv: string[];
    };
    expect(inside.argv).toEqual(["node", "{resource_dir}/start.cjs", "{connection_file}"]);
    const copy = JSON.parse(installedSpec()) as { argv: string[] };
    expect(copy.argv).toEqual([
      process.execPath,
      join(jupyterPath(), "kernels", "s2mllm", "start.cjs"),
      "{connection_file}",
    ]);
  });

  test("without Jupyter the message says what works without", () => {
    expect(() => installKernel("no-such-jupyter")).toThrow(
      /^jupyter could not be started \(.*ENOENT.*\); without installing: JUPYTER_PATH=.*lib.notebook jupyter lab$/,
    );
  });
});
