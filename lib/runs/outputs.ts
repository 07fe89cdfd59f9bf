import { inProject } from "../core/root";

/**
 * Where what this machine makes to be looked at goes unless it is published: data/local, which git ignores. Committed
 * figures, tables and notebooks change by `--publish` alone.
 */
export function outputFolder(kind: "report" | "notebooks", publish: boolean): string {
  if (!publish) return inProject("data", "local", kind);
  return inProject(kind === "report" ? "figures" : "notebooks");
}
