import type { Nodes, Rule } from "../graph";

// Shading languages promise 2^-11 for sines, and that only between -π and π; positions ask for more on both counts.

/**
 * π in parts of few bits, so that whole multiples of the first two are exact (Cody and Waite; the parts are Cephes'
 * times 4).
 */
const PI = [3.140625, 9.675025939941406e-4, 1.5099579909783765e-7] as const;

/** Taylor's coefficients of sin r / r in r²; at r = π/2 the next term is 6e-8. */
const SERIES = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800] as const;

/** sin(x − kπ)·(−1)^n with whole n and |x − kπ| ≤ π/2 */
function wave(f: Nodes, x: string, n: string, k: string): string {
  const node = (op: string, a: string, b: string): string => f.node(op, [a, b]);
  const r = PI.reduce((rest, part) => node("Sub", rest, node("Mul", k, f.scalar(part))), x);
  const square = node("Mul", r, r);
  const series = SERIES.slice(0, -1).reduceRight(
    (sum, c) => node("Add", node("Mul", sum, square), f.scalar(c)),
    f.scalar(SERIES.at(-1)!),
  );
  const odd = node("Sub", n, node("Mul", f.node("Floor", [node("Mul", n, f.scalar(0.5))]), f.scalar(2)));
  return node("Mul", node("Mul", r, series), node("Sub", f.scalar(1), node("Mul", odd, f.scalar(2))));
}

export const sine: Rule = (f, { inputs: [x] }) => {
  const n = f.node("Floor", [f.node("Add", [f.node("Mul", [x!, f.scalar(1 / Math.PI)]), f.scalar(0.5)])]);
  return wave(f, x!, n, n);
};

export const cosine: Rule = (f, { inputs: [x] }) => {
  const n = f.node("Floor", [f.node("Mul", [x!, f.scalar(1 / Math.PI)])]);
  return f.node("Neg", [wave(f, x!, n, f.node("Add", [n, f.scalar(0.5)]))]);
};
