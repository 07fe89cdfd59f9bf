import { type Program, type ProgramInputs, Value } from "../ir";
import type { Compiled } from "./compile";
import type { Memory } from "./memory";

/**
 * Which operation makes the first NaN of a program that ran, computed again with every result kept.
 *
 * @param compileFor compiles the program with these results
 * @returns in words; undefined when its results have no NaN
 */
export function firstNaN(
  { ops, roots }: Program,
  { leaves, frozen }: ProgramInputs,
  memory: Memory,
  compileFor: (results: readonly Value[]) => Compiled,
): string | undefined {
  const hasNaN = (v: Value): boolean => v.dtype === "float32" && (memory.read(v) as Float32Array).some(Number.isNaN);
  if (!roots.some(hasNaN)) return undefined;
  const given = [...leaves, ...frozen].find(hasNaN);
  const every = ops.flatMap(({ outs, origin, kernel }) =>
    outs.map((out) => ({ copy: new Value(out.shape, out.dtype), out, name: kernel, origin })),
  );
  const compiled = compileFor(every.map(({ out }) => out));
  memory.run(
    compiled,
    leaves,
    every.map(({ copy }) => copy),
  );
  const first = every.find(({ copy }) => hasNaN(copy));
  for (const { copy } of every) memory.free(copy);
  memory.end(compiled);
  const at = first?.origin === undefined ? "" : ` recorded at ${first.origin}`;
  const made = first === undefined ? "" : `, op ${first.name} [${first.out.shape.join(", ")}]${at}`;
  const input = given === undefined ? "" : ` (an input [${given.shape.join(", ")}] had one already)`;
  return `first NaN${made}${input}`;
}
