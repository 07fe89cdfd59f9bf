import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../core/errors";
import { writingError } from "../../core/files";
import { completeCuda } from "./cuda";
import { fetchWheels } from "./fetch";
import { enginesFolder, type Installable, type Installed, MANIFEST, type Manifest } from "./installed";
import { prove } from "./prove";
import { completeTensorflow } from "./tensorflow";
import { unpack } from "./unpack";
import { RECIPES } from "./wheels";

export interface InstallOptions {
  /** The engine for the processor, where there are two. */
  readonly cpu: boolean;
  /** Wheels on this machine, or folders of them; pip fetches them without. */
  readonly from?: readonly string[];
  /** Told what is done. */
  readonly say: (line: string) => void;
}

export interface InstallReport extends Installed {
  /** Largest relative difference of a small training's losses from ort-cpu's. */
  readonly difference: number;
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** The engine's training beside ort-cpu's. @throws UserError saying that all is laid out, and why it does not run */
async function proveInstalled(name: Installable, driver: number | undefined): Promise<number> {
  try {
    return await prove(name === "cuda" ? "ort-cuda" : "tensorflow", driver === undefined ? "cpu" : "cuda");
  } catch (error) {
    const why = (error as Error).message.split("\n")[0]!.replace(/; choose another with S2_ENGINE .*$/, "");
    const needs = driver === undefined ? "" : `; it needs an NVIDIA GPU with driver ${driver} or newer`;
    throw new UserError(`engine ${name} is laid out and does not run here: ${why}${needs}`);
  }
}

/**
 * Lays an engine out in data/cache/engines and lets it train beside ort-cpu. A folder that is there is replaced when
 * the new one is whole.
 *
 * @throws UserError for a wheel that does not fit, without pip, compiler or driver, on a full disk, and for other
 *   numbers than ort-cpu's
 */
export async function installEngine(name: Installable, options: InstallOptions): Promise<InstallReport> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new UserError(
      `engine install ${name}: its libraries are made for linux x64, this machine is ${process.platform} ` +
        `${process.arch}; ort-webgpu and ort-cpu need nothing installed`,
    );
  const kind = name === "cuda" ? "cuda" : options.cpu ? "tensorflow-cpu" : "tensorflow-cuda";
  const recipe = RECIPES[kind];
  const { say } = options;
  const [folder, partial, wheelFolder] = ["", ".partial", ".wheels"].map((end) =>
    join(enginesFolder(), name + end),
  ) as [string, string, string];
  try {
    mkdirSync(enginesFolder(), { recursive: true });
    rmSync(partial, { recursive: true, force: true });
    const wheels = await fetchWheels(recipe.wheels, options.from, wheelFolder, say);
    mkdirSync(partial);
    for (const wheel of wheels) {
      say(`unpacking ${wheel}`);
      await unpack(wheel, partial, (member) => recipe.takes.test(member));
    }
    if (name === "tensorflow") await completeTensorflow(partial, say);
    else completeCuda(partial);
    const manifest: Manifest = {
      recipe: kind,
      wheels: recipe.wheels.map(({ file, sha256 }) => ({ file, sha256 })),
      bytes: bytesBelow(partial),
      licence: recipe.licence,
      system: `${process.platform} ${process.arch}`,
    };
    writeFileSync(join(partial, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    if (existsSync(folder)) rmSync(folder, { recursive: true });
    renameSync(partial, folder);
    say("comparing a small training with ort-cpu's");
    return { folder, ...manifest, difference: await proveInstalled(name, recipe.driver) };
  } catch (error) {
    throw writingError(error, enginesFolder());
  } finally {
    for (const rest of [partial, wheelFolder]) if (existsSync(rest)) rmSync(rest, { recursive: true });
  }
}
