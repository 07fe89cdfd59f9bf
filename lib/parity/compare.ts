import type { Case, GoldenTensor, Produced } from "./case";

/** How one case did. */
export interface CaseResult {
  readonly name: string;
  readonly pass: boolean;
  /** Largest |a - b| / max|b| over the outputs, and over the gradients. */
  readonly worstOutput: number;
  readonly worstGradient: number;
  /** The loosest tolerance that any of its tensors has. */
  readonly tolerance: number;
  readonly failures: readonly string[];
}

interface Difference {
  readonly relative: number;
  readonly failure?: string;
}

/** |a - b| <= t |b| + t max|b|; t = 0: equal; analytically zero: |a| <= tolerance_abs. */
function compareTensor(tensor: GoldenTensor, produced: Produced, expected: readonly number[]): Difference {
  const { name, shape } = tensor;
  if (produced.shape.join() !== shape.join()) {
    return {
      relative: Number.MAX_VALUE,
      failure: `${name}: shape [${produced.shape.join(", ")}] instead of [${shape.join(", ")}]`,
    };
  }
  const width = shape.length === 0 ? 1 : shape[shape.length - 1]!;
  const counts = (i: number): boolean => produced.rows === undefined || produced.rows[Math.floor(i / width)] !== 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) if (counts(i)) largest = Math.max(largest, Math.abs(expected[i]!));
  const t = tensor.tolerance ?? 0;
  const zero = tensor.analytically_zero === true;
  let worst = -1;
  let worstExcess = 0;
  let relative = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!counts(i)) continue;
    const [a, b] = [produced.data[i]!, zero ? 0 : expected[i]!];
    if (Object.is(a, b)) continue;
    const off = Math.abs(a - b);
    const allowed = zero ? (tensor.tolerance_abs ?? 0) : t * Math.abs(b) + t * largest;
    // NaN compares false with everything: count it as infinitely wrong
    const excess = Number.isNaN(off) ? Infinity : off - allowed;
    if (!zero)
      relative = Math.max(
        relative,
        Number.isNaN(off) ? Number.MAX_VALUE : off === 0 ? 0 : off / Math.max(largest, 1e-30),
      );
    if (excess > worstExcess) [worst, worstExcess] = [i, excess];
  }
  if (worst < 0) return { relative };
  return {
    relative,
    failure:
      `${name}[${worst}]: got ${produced.data[worst]}, expected ${expected[worst]}, off by ` +
      `${worstExcess.toExponential(2)} more than allowed (tolerance ${zero ? tensor.tolerance_abs : t})`,
  };
}

/** Compares everything that the golden says must be compared; what the runner did not produce is a failure. */
export function compareCase(c: Case, produced: ReadonlyMap<string, Produced>): CaseResult {
  const failures: string[] = [];
  const worst = { output: 0, grad: 0 };
  let tolerance = 0;
  for (const tensor of c.golden.tensors) {
    if (tensor.role !== "output" && tensor.role !== "grad") continue;
    tolerance = Math.max(tolerance, tensor.tolerance ?? 0);
    const value = produced.get(tensor.name);
    if (value === undefined) {
      failures.push(`${tensor.name}: not produced`);
      continue;
    }
    const { relative, failure } = compareTensor(tensor, value, c.numbers(tensor.name));
    worst[tensor.role] = Math.max(worst[tensor.role], relative);
    if (failure !== undefined) failures.push(failure);
  }
  return {
    name: c.name,
    pass: failures.length === 0,
    worstOutput: worst.output,
    worstGradient: worst.grad,
    tolerance,
    failures,
  };
}

/** The result of a case whose runner stopped with an error; its differences are the largest number JSON has. */
export function failedCase(name: string, error: unknown): CaseResult {
  const message = error instanceof Error ? error.message : String(error);
  return {
    name,
    pass: false,
    worstOutput: Number.MAX_VALUE,
    worstGradient: Number.MAX_VALUE,
    tolerance: 0,
    failures: [message],
  };
}
