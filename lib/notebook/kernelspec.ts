import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
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

const readSpec = (): z.infer<typeof KernelSpec> =>
  KernelSpec.parse(JSON.parse(readFileSync(join(specFolder(), "kernel.json"), "utf8")));

const withPaths = (argv: readonly string[]): string[] =>
  argv.map((a) => (a === "node" ? process.execPath : a.replace("{resource_dir}", specFolder())));

/** Program and arguments that start a kernel. */
export function kernelCommand(connectionFile: string): string[] {
  return withPaths(readSpec().argv).map((a) => a.replace("{connection_file}", connectionFile));
}

/** The kernelspec with absolute paths, for a copy outside of the project. */
export function installedSpec(): string {
  const spec = readSpec();
  const argv = withPaths(spec.argv);
  return `${JSON.stringify({ ...spec, argv }, undefined, 2)}\n`;
}

const KernelSpecs = z.looseObject({ kernelspecs: z.record(z.string(), z.looseObject({ spec: KernelSpec })) });

/** The start file of another clone that is registered already, and still there. */
function otherClone(listed: string): string | undefined {
  const { argv = [] } = KernelSpecs.parse(JSON.parse(listed)).kernelspecs[kernelName]?.spec ?? {};
  const start = argv.find((a) => a.endsWith("start.cjs"));
  return start === undefined || start === join(specFolder(), "start.cjs") || !existsSync(start) ? undefined : start;
}

/**
 * Registers the kernel for this user with Jupyter's own command. Another clone's stays: it runs each notebook with the
 * code of the clone that the notebook lies in.
 *
 * @returns what Jupyter said
 * @throws UserError with the way that needs no installation, when Jupyter is missing or refuses
 */
export function installKernel(jupyter = "jupyter"): string {
  const folder = mkdtempSync(join(tmpdir(), "s2mllm-kernelspec-"));
  try {
    writeFileAtomic(join(folder, "kernel.json"), installedSpec());
    const args = ["kernelspec", "install", folder, "--user", "--replace", `--name=${kernelName}`];
    const instead = `; without installing: JUPYTER_PATH=${jupyterPath()} jupyter lab`;
    const run = (args: readonly string[]): SpawnSyncReturns<string> => {
      const env = { ...process.env, PYDEVD_DISABLE_FILE_VALIDATION: "1" };
      const ran = spawnSync(jupyter, args, { encoding: "utf8", env });
      if (ran.error !== undefined) throw new UserError(`jupyter could not be started (${ran.error.message})${instead}`);
      return ran;
    };
    const listed = run(["kernelspec", "list", "--json"]);
    const other = listed.status === 0 ? otherClone(listed.stdout) : undefined;
    if (other !== undefined) {
      const clone = resolve(other, "../../../../..");
      return `the kernel of ${clone} stays; it runs notebooks in here with this clone's code`;
    }
    const done = run(args);
    if (done.status !== 0)
      throw new UserError(`jupyter kernelspec install failed: ${done.stderr.trim().split("\n").pop()}${instead}`);
    return `${done.stdout}${done.stderr}`.trim().split("\n").pop() ?? "";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
