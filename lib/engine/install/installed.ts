import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../core/errors";
import { inProject } from "../../core/root";
import { RECIPES } from "./wheels";

/** What `engine install` can bring. */
export const INSTALLABLE = ["tensorflow", "cuda"] as const;
export type Installable = (typeof INSTALLABLE)[number];

/** The command that brings it. */
export const installCommand = (name: Installable): string => `npm run -s s2mllm -- engine install ${name}`;

const Manifest = z.object({
  /** Which of the recipes it was made by. */
  recipe: z.enum(["cuda", "tensorflow-cpu", "tensorflow-cuda"]),
  wheels: z.array(z.object({ file: z.string(), sha256: z.string() })),
  bytes: z.number(),
  licence: z.string(),
  /** Node's platform and processor. */
  system: z.string(),
});
export type Manifest = z.infer<typeof Manifest>;

export const MANIFEST = "engine.json";

/** Where engines are laid out. */
export const enginesFolder = (): string => inProject("data", "cache", "engines");

/** An engine that was laid out for this lab on this kind of machine; undefined where there is none. */
export interface Installed extends Manifest {
  readonly folder: string;
}

/** @throws UserError for one that another version of the lab, or another system, has made */
export function findInstalled(name: Installable, folder = join(enginesFolder(), name)): Installed | undefined {
  const file = join(folder, MANIFEST);
  if (!existsSync(file)) return undefined;
  const anew = `install it anew: ${installCommand(name)}`;
  let manifest: Manifest;
  try {
    manifest = Manifest.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    throw new UserError(`${file}: not what engine install writes; ${anew}`);
  }
  const system = `${process.platform} ${process.arch}`;
  if (manifest.system !== system)
    throw new UserError(`${folder} is made for ${manifest.system}, this machine is ${system}; ${anew}`);
  const wanted = RECIPES[manifest.recipe].wheels.map(({ file: wheel }) => wheel);
  const stale = manifest.wheels.find(({ file: wheel }) => !wanted.includes(wheel));
  if (stale !== undefined) throw new UserError(`${folder} holds ${stale.file}, this lab takes ${wanted[0]}; ${anew}`);
  return { folder, ...manifest };
}
