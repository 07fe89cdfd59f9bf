import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { installedSpec, installKernel, jupyterPath } from "../../lib/notebook/kernelspec";

describe("the kernelspec", () => {
  test("lies where JUPYTER_PATH looks for it, and a copy has absolute paths", () => {
    const inside = JSON.parse(readFileSync(join(jupyterPath(), "kernels", "s2mllm", "kernel.json"), "utf8")) as {
      argv: string[];
    };
    expect(inside.argv).toEqual([
      "node",
      "--no-force-async-hooks-checks",
      "{resource_dir}/start.cjs",
      "{connection_file}",
    ]);
    const copy = JSON.parse(installedSpec()) as { argv: string[] };
    expect(copy.argv).toEqual([
      process.execPath,
      "--no-force-async-hooks-checks",
      join(jupyterPath(), "kernels", "s2mllm", "start.cjs"),
      "{connection_file}",
    ]);
  });

  test("a second clone's installation leaves the first one's kernel as it is", () => {
    const folder = mkdtempSync(join(tmpdir(), "s2-kernelspec-"));
    try {
      const first = join(folder, "first", "lib", "notebook", "kernels", "s2mllm", "start.cjs");
      mkdirSync(dirname(first), { recursive: true });
      writeFileSync(first, "");
      const jupyter = join(folder, "jupyter");
      const installedBy = (start: string): string => {
        const spec = { argv: ["node", start, "{connection_file}"] };
        const listed = JSON.stringify({ kernelspecs: { s2mllm: { resource_dir: "x", spec } } });
        writeFileSync(jupyter, `#!/bin/sh\ncase "$2" in list) echo '${listed}';; *) echo "Installed $*" >&2;; esac\n`);
        chmodSync(jupyter, 0o755);
        return installKernel(jupyter);
      };
      expect(installedBy(first)).toBe(
        `the kernel of ${join(folder, "first")} stays; it runs notebooks in here with this clone's code`,
      );
      rmSync(first);
      // a clone that is gone gives way, and one's own is renewed
      expect(installedBy(first)).toMatch(/^Installed kernelspec install .*--replace --name=s2mllm$/);
      expect(installedBy(join(jupyterPath(), "kernels", "s2mllm", "start.cjs"))).toMatch(/^Installed /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("without Jupyter the message says what works without", () => {
    expect(() => installKernel("no-such-jupyter")).toThrow(
      /^jupyter could not be started \(.*ENOENT.*\); without installing: JUPYTER_PATH=.*lib.notebook jupyter lab$/,
    );
  });
});
