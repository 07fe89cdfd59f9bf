import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { unknownName } from "../core/errors";
import { inProject } from "../core/root";

/** The project's notebooks in order, without their ending. */
export function notebookNames(folder = inProject("notebooks")): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((f) => f.endsWith(".ipynb"))
    .map((f) => f.slice(0, -".ipynb".length))
    .sort();
}

/**
 * Path of a notebook given as a file, as its name, or as the number it begins with.
 *
 * @throws UserError listing the known ones
 */
export function notebookPath(name: string, folder = inProject("notebooks")): string {
  if (name.endsWith(".ipynb") && existsSync(name)) return name;
  const names = notebookNames(folder);
  const bare = name.replace(/\.ipynb$/, "");
  const found = names.find((n) => n === bare) ?? names.find((n) => n.startsWith(`${bare}-`));
  if (found === undefined) throw unknownName("notebook", name, names);
  return join(folder, `${found}.ipynb`);
}
