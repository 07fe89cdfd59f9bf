import { type BenchEngine, entryOf } from "./engines";

/** How many numbers of a long output are compared. */
const SAMPLES = 256;

/** Numbers spread evenly over an output, and its root mean square. */
export function digest(output: ArrayLike<number>): number[] {
  const n = Math.min(SAMPLES, output.length);
  const samples = Array.from({ length: n }, (_, i) => output[Math.floor((i * output.length) / n)]!);
  let squares = 0;
  for (let i = 0; i < output.length; i++) squares += output[i]! ** 2;
  return [...samples, Math.sqrt(squares / output.length)];
}

/**
 * Largest difference between two workers' first numbers. Of a step: relative, number by number. Of an inference:
 * relative to the output's root mean square, the last number. Infinity for different counts and for what is not finite.
 */
export function difference(
  numbers: readonly number[],
  reference: readonly number[],
  kind: "step" | "inference",
): number {
  if (numbers.length !== reference.length || numbers.length === 0) return Infinity;
  const scale = reference.at(-1)!;
  const worst = Math.max(
    ...numbers.map((x, i) => {
      const difference =
        Math.abs(x - reference[i]!) / (kind === "step" ? Math.max(Math.abs(reference[i]!), 1e-12) : scale);
      return Number.isFinite(difference) ? difference : Infinity;
    }),
  );
  return worst;
}

/** Largest difference allowed: float32 sums in another order; other precisions keep fewer digits. */
export function tolerance(engine: BenchEngine): number {
  return { float32: 1e-4, tf32: 5e-3, bf16: 5e-2, fp16: 5e-2 }[entryOf(engine).precision];
}
