import { UserError } from "../../core/errors";

/** Why a cell failed, as Jupyter shows it. */
export interface Failure {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

/** Frames of the cell itself and of files inside the project; paths relative to it. */
function frames(stack: string, root: string): string[] {
  const kept: string[] = [];
  for (const line of stack.split("\n").filter((l) => /^\s+at /.test(l))) {
    if (line.includes("evalmachine.<anonymous>")) {
      kept.push("    at this cell");
      break; // below it there is only the kernel
    }
    if (line.includes("node:internal") || line.includes("node_modules")) continue;
    kept.push(line.replaceAll(`file://${root}/`, "").replaceAll(`${root}/`, ""));
  }
  return kept;
}

/** What a thrown value looks like in a notebook: a user's mistake without a stack, anything else cut at the cell. */
export function failureOf(thrown: unknown, root: string): Failure {
  if (!(thrown instanceof Error)) {
    const evalue = String(thrown);
    return { ename: "Thrown", evalue, traceback: [`Thrown: ${evalue}`] };
  }
  if (
    ("code" in thrown && thrown.code === "ERR_SCRIPT_EXECUTION_INTERRUPTED") ||
    thrown.message === "Interrupted asynchronously"
  ) {
    return { ename: "Interrupted", evalue: "the cell was stopped", traceback: ["Interrupted: the cell was stopped"] };
  }
  const head = `${thrown.name}: ${thrown.message}`;
  const where = thrown instanceof UserError ? [] : frames(thrown.stack ?? "", root);
  return { ename: thrown.name, evalue: thrown.message, traceback: [head, ...where] };
}

/** Type errors of a cell. */
export function compileFailure(messages: readonly string[]): Failure {
  return { ename: "TypeScript", evalue: messages[0] ?? "the cell does not compile", traceback: messages };
}
