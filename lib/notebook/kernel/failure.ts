import { inspect } from "node:util";
import { UserError } from "../../core/errors";
import type { CompileError, Place } from "./compiler";

/** Why a cell failed, as Jupyter shows it. */
export interface Failure {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

/** A cell that ran, as far as a traceback needs it. */
export interface RanCell {
  readonly code: string;
  /** Where in the cell a place of its compiled code comes from. */
  place(compiled: Place): Place | undefined;
}

/** By execution count. */
export type RanCells = ReadonlyMap<number, RanCell>;

const cellFrame = /^\s+at (?:(.*) \()?(?:async )?cell (\d+):(\d+):(\d+)\)?$/;
const kernelFrame = /node:|node_modules|[\\/]notebook[\\/]kernel[\\/]/;

const textOfLine = (code: string, line: number): string => code.split("\n")[line - 1]?.trim() ?? "";

/** Frames of cells, with the line's text, and of files inside the project between them; paths relative to `root`. */
function frames(stack: string, root: string, cells: RanCells): string[] {
  const lines = stack.split("\n").filter((line) => /^\s+at /.test(line));
  // below the last cell there is only the kernel
  const end = lines.findLastIndex((line) => cellFrame.test(line)) + 1;
  return lines.slice(0, end === 0 ? undefined : end).flatMap((line) => {
    const [, name, number, at, column] = cellFrame.exec(line) ?? [];
    if (number === undefined) {
      if (kernelFrame.test(line)) return [];
      return [line.replaceAll(`file://${root}/`, "").replaceAll(`${root}/`, "")];
    }
    const cell = cells.get(Number(number));
    const place = cell?.place({ line: Number(at), column: Number(column) });
    const where = `cell ${number}${place === undefined ? "" : `, line ${place.line}`}`;
    // a cell's functions are called as members of the record of names
    const caller = name?.replace(/^(async )?(Proxy|Object)\./, "$1");
    const frame = caller === undefined || /^(async )?(eval|<anonymous>)$/.test(caller) ? where : `${caller} (${where})`;
    return [`    at ${frame}`, ...(place === undefined ? [] : [`        ${textOfLine(cell!.code, place.line)}`])];
  });
}

function traceback(error: Error, root: string, cells: RanCells, depth: number): string[] {
  const own = frames(error.stack ?? "", root, cells);
  // a user's mistake says what to do: where in lib/ it was noticed is of no use
  const shown = error instanceof UserError ? own.filter((line) => !/^ {4}at (?!.*cell \d)/.test(line)) : own;
  const nested = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  const parts = [
    ...(error.cause === undefined ? [] : [{ title: "caused by", value: error.cause }]),
    ...nested.map((value, i) => ({ title: `error ${i + 1} of ${nested.length}`, value })),
  ];
  return [
    `${error.name}: ${error.message}`,
    ...shown,
    ...(depth === 0 ? [] : parts).flatMap(({ title, value }) => {
      const [head = "", ...rest] = value instanceof Error ? traceback(value, root, cells, depth - 1) : [inspect(value)];
      return [`${title}: ${head}`, ...rest];
    }),
  ];
}

/** What a thrown value looks like in a notebook: the cells and lines it passed, or the value itself. */
export function failureOf(thrown: unknown, root: string, cells: RanCells = new Map()): Failure {
  if (thrown instanceof Error) {
    return { ename: thrown.name, evalue: thrown.message, traceback: traceback(thrown, root, cells, 3) };
  }
  const evalue = typeof thrown === "string" ? thrown : inspect(thrown, { depth: 4 });
  return { ename: "Thrown", evalue, traceback: [`Thrown: ${evalue}`] };
}

/** The failure of a cell that an interrupt ended. */
export function interruptedFailure(): Failure {
  const evalue = "the cell was stopped";
  return { ename: "Interrupted", evalue, traceback: [`Interrupted: ${evalue}; the variables are kept`] };
}

/** Type and syntax errors of a cell: each with its line and a mark under its column. */
export function compileFailure(errors: readonly CompileError[], number: number, code: string): Failure {
  const at = ({ line, column }: CompileError): string => `line ${line}, column ${column}`;
  const first = errors[0];
  return {
    ename: "TypeScript",
    evalue: first === undefined ? "the cell does not compile" : `${at(first)}: ${first.message}`,
    traceback: errors.flatMap((error) => [
      `cell ${number}, ${at(error)}: ${error.message}`,
      `    ${code.split("\n")[error.line - 1] ?? ""}`,
      `    ${" ".repeat(error.column - 1)}^`,
    ]),
  };
}
