import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { inPackage } from "../core/root";

export const kernelName = "s2mllm";

/** The folder that JUPYTER_PATH has to name for Jupyter to find the kernel without any installation. */
export function jupyterPath(): string {
  return inPackage("lib", "notebook");
}

const KernelSpec = z.looseObject({ argv: z.array(z.string()) });

const specFolder = (): string => join(jupyterPath(), "kernels", kernelName);

/** The kernelspec with absolute paths, for a copy outside of the project. */
export function installedSpec(): string {
  const spec = KernelSpec.parse(JSON.parse(readFileSync(join(specFolder(), "kernel.json"), "utf8")));
  const argv = spec.argv.map((a) => (a === "node" ? process.execPath : a.replace("{resource_dir}", specFolder())));
  return `${JSON.stringify({ ...spec, argv }, undefined, 2)}\n`;
}

/**
 * Registers the kernel for this user with Jupyter's own command.
 *
 * @returns what Jupyter said
 * @throws UserError with the way that needs no installation, when Jupyter is missing or refuses
 */
export function installKernel(jupyter = "jupyter"): string {
  const folder = mkdtempSync(join(tmpdir(), "s2mllm-kernelspec-"));
  try {
    writeFileAtomic(join(folder, "kernel.json"), installedSpec());
    const args = ["kernelspec", "install", folder, "--user", "--replace", `--name=${kernelName}`];
    const done = spawnSync(jupyter, args, {
      encoding: "utf8",
      env: { ...process.env, PYDEVD_DISABLE_FILE_VALIDATION: "1" },
    });
    const instead = `; without installing: JUPYTER_PATH=${jupyterPath()} jupyter lab`;
    if (done.error !== undefined) throw new UserError(`jupyter could not be started (${done.error.message})${instead}`);
    if (done.status !== 0)
      throw new UserError(`jupyter kernelspec install failed: ${done.stderr.trim().split("\n").pop()}${instead}`);
    return `${done.stdout}${done.stderr}`.trim().split("\n").pop() ?? "";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
