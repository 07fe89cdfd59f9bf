import { readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";

const isText = (type: string): boolean => type.startsWith("text/") || type === "image/svg+xml";

/** Text that Jupyter stores as one string or as its lines. */
const Text = z.union([z.string(), z.array(z.string())]).transform((t) => (typeof t === "string" ? t : t.join("")));

/** What is shown, by MIME type; texts are stored as their lines. */
const Bundle = z
  .record(z.string(), z.unknown())
  .transform((bundle) =>
    Object.fromEntries(
      Object.entries(bundle).map(([type, value]) => [
        type,
        isText(type) && Array.isArray(value) ? value.join("") : value,
      ]),
    ),
  );

const Metadata = z.record(z.string(), z.unknown());

const Output = z.discriminatedUnion("output_type", [
  z.looseObject({ output_type: z.literal("stream"), name: z.string(), text: Text }),
  z.looseObject({ output_type: z.literal("display_data"), data: Bundle, metadata: Metadata }),
  z.looseObject({
    output_type: z.literal("execute_result"),
    data: Bundle,
    metadata: Metadata,
    execution_count: z.number().nullable(),
  }),
  z.looseObject({
    output_type: z.literal("error"),
    ename: z.string(),
    evalue: z.string(),
    traceback: z.array(z.string()),
  }),
]);

const Cell = z.looseObject({
  cell_type: z.enum(["code", "markdown", "raw"]),
  source: Text,
  metadata: z.looseObject({ tags: z.array(z.string()).optional() }),
  outputs: z.array(Output).optional(),
  execution_count: z.number().nullable().optional(),
});

const Notebook = z.looseObject({
  cells: z.array(Cell),
  metadata: z.looseObject({
    kernelspec: z.looseObject({ name: z.string(), language: z.string().optional() }).optional(),
  }),
  nbformat: z.literal(4),
});

/** An output as nbformat 4 stores it. */
export type Output = z.infer<typeof Output>;
export type NotebookCell = z.infer<typeof Cell>;
export type Notebook = z.infer<typeof Notebook>;

/** @throws UserError when the file is missing or no nbformat 4 notebook */
export function readNotebook(path: string): Notebook {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UserError(`notebook ${path} cannot be read: ${(error as Error).message}`);
  }
  const parsed = Notebook.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new UserError(`notebook ${path} is not in nbformat 4: ${issue.path.join(".")}: ${issue.message}`);
  }
  return parsed.data;
}

const lines = (t: string): string[] => t.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** Long texts as arrays of lines, the form in which Jupyter itself saves them. */
function split(output: Output): object {
  if (output.output_type === "stream") return { ...output, text: lines(output.text) };
  if (output.output_type === "error") return output;
  const data = Object.entries(output.data).map(([type, value]) => {
    return [type, typeof value === "string" && isText(type) ? lines(value) : value] as const;
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
