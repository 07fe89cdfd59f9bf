import { readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";

const text = z.union([z.string(), z.array(z.string())]).transform((t) => (typeof t === "string" ? t : t.join("")));

const Cell = z.looseObject({ cell_type: z.enum(["code", "markdown", "raw"]), source: text });
const Document = z.looseObject({ cells: z.array(Cell), nbformat: z.literal(4) });

/** An output as nbformat 4 stores it. */
export type Output =
  | { output_type: "stream"; name: string; text: string }
  | { output_type: "display_data"; data: Record<string, unknown>; metadata: object }
  | { output_type: "execute_result"; data: Record<string, unknown>; metadata: object; execution_count: number }
  | { output_type: "error"; ename: string; evalue: string; traceback: string[] };

export interface NotebookCell {
  readonly cell_type: "code" | "markdown" | "raw";
  readonly source: string;
  outputs?: Output[];
  execution_count?: number | null;
  readonly [key: string]: unknown;
}

export interface Notebook {
  readonly cells: NotebookCell[];
  readonly nbformat: 4;
  readonly [key: string]: unknown;
}

/** @throws UserError when the file is missing or no nbformat 4 notebook */
export function readNotebook(path: string): Notebook {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UserError(`notebook ${path} cannot be read: ${(error as Error).message}`);
  }
  const parsed = Document.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new UserError(`notebook ${path} is not in nbformat 4: ${issue.path.join(".")}: ${issue.message}`);
  }
  return parsed.data as unknown as Notebook;
}

const lines = (t: string): string[] => t.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** Long texts as arrays of lines, the form in which Jupyter itself saves them. */
function split(output: Output): object {
  // a file that was read holds lines already
  if (output.output_type === "stream") return { ...output, text: lines([output.text].flat().join("")) };
  if (output.output_type === "error") return output;
  const data = Object.entries(output.data).map(([type, value]) => {
    const plain = typeof value === "string" && (type.startsWith("text/") || type === "image/svg+xml");
    return [type, plain ? lines(value) : value] as const;
  });
  return { ...output, data: Object.fromEntries(data) };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((k) => [k, sorted((value as Record<string, unknown>)[k])]),
  );
}

/** The file's text as Jupyter writes it: keys sorted, indent 1, so that saving there changes nothing. */
export function formatNotebook(notebook: Notebook): string {
  const cells = notebook.cells.map((cell) => ({
    ...cell,
    source: lines(cell.source),
    ...(cell.cell_type === "code"
      ? { outputs: (cell.outputs ?? []).map(split), execution_count: cell.execution_count ?? null }
      : {}),
  }));
  return `${JSON.stringify(sorted({ ...notebook, cells }), undefined, 1)}\n`;
}

export function writeNotebook(path: string, notebook: Notebook): void {
  writeFileAtomic(path, formatNotebook(notebook));
}
