import type { Memory } from "./memory";
import type { Compiled } from "./session";
import type { Taken } from "./structure";
import { type Op, Val } from "./value";

/**
 * Which operation makes the first NaN of a program that ran, computed again with every result kept.
 *
 * @param compileFor compiles the program with these results
 * @returns in words; undefined when its results have no NaN
 */
export function firstNaN(
  ops: readonly Op[],
  { leaves, frozen }: Taken,
  roots: readonly Val[],
  memory: Memory,
  compileFor: (results: readonly Val[]) => Compiled,
): string | undefined {
  const hasNaN = (v: Val): boolean => v.dtype === "float32" && (memory.read(v) as Float32Array).some(Number.isNaN);
  if (!roots.some(hasNaN)) return undefined;
  const given = [...leaves, ...frozen].find(hasNaN);
  const every = ops.flatMap(({ outs, origin, def }) =>
    outs.map((out) => ({ copy: new Val(out.shape, out.dtype), out, name: def.name!, origin })),
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
  const made =
    first === undefined
      ? ""
      : `, op ${first.name} [${first.out.shape.join(", ")}]${first.origin === undefined ? "" : ` recorded at ${first.origin}`}`;
  const input = given === undefined ? "" : ` (an input [${given.shape.join(", ")}] had one already)`;
  return `first NaN${made}${input}`;
}
