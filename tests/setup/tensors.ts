import type { Tensor } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { tf } from "../../lib/engine/tf";

/** Numbers with or without a shape. */
export type Numbers = Tensor | ArrayLike<number> | number;

export interface Tolerance {
  /** Share of the expected value; 1e-5 unless given. */
  readonly rtol?: number;
  /** 1e-6 unless given. */
  readonly atol?: number;
}

function isTensor(value: Numbers): value is Tensor {
  return typeof value === "object" && "dataSync" in value;
}

function valuesOf(value: Numbers): ArrayLike<number> {
  return typeof value === "number" ? [value] : isTensor(value) ? value.dataSync() : value;
}

function indexText(flat: number, shape: readonly number[] | undefined): string {
  if (shape === undefined) return `[${flat}]`;
  const index: number[] = [];
  for (let rest = flat, axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return `[${index.join(", ")}]`;
}

/**
 * What differs between two arrays of numbers, or undefined when |actual - expected| <= atol + rtol * |expected|
 * throughout.
 */
export function difference(
  actual: Numbers,
  expected: Numbers,
  { rtol = 1e-5, atol = 1e-6 }: Tolerance = {},
): string | undefined {
  const shape = typeof actual === "object" && isTensor(actual) ? actual.shape : undefined;
  if (
    shape !== undefined &&
    typeof expected === "object" &&
    isTensor(expected) &&
    shape.join() !== expected.shape.join()
  ) {
    return `shape [${shape.join(", ")}] instead of [${expected.shape.join(", ")}]`;
  }
  const a = valuesOf(actual);
  const e = valuesOf(expected);
  if (a.length !== e.length) return `${a.length} numbers instead of ${e.length}`;
  let wrong = 0;
  let worst = 0;
  let worstExcess = -Infinity;
  for (let i = 0; i < e.length; i++) {
    const got = a[i]!;
    const want = e[i]!;
    if (Object.is(got, want) || got === want) continue;
    const off = Math.abs(got - want);
    const excess = off - (atol + rtol * Math.abs(want));
    // a NaN or an infinity on one side only compares false with everything: count it as the worst
    if (excess <= 0) continue;
    wrong++;
    const rank = Number.isNaN(excess) ? Infinity : excess;
    if (rank > worstExcess) {
      worstExcess = rank;
      worst = i;
    }
  }
  if (wrong === 0) return undefined;
  const off = Math.abs(a[worst]! - e[worst]!);
  return (
    `${wrong} of ${e.length} numbers differ; worst at ${indexText(worst, shape)}: got ${a[worst]}, expected ` +
    `${e[worst]} ` +
    `(off by ${off.toExponential(2)}, allowed ${(atol + rtol * Math.abs(e[worst]!)).toExponential(2)}; rtol ` +
    `${rtol}, atol ${atol})`
  );
}

/**
 * Asserts |actual - expected| <= atol + rtol * |expected| for every number; shapes must agree when both are tensors.
 */
export function expectTensorClose(actual: Numbers, expected: Numbers, tolerance: Tolerance = {}): void {
  const wrong = difference(actual, expected, tolerance);
  if (wrong !== undefined) expect.fail(wrong);
}

/**
 * Gradient of the scalar `f` at `x` by central differences.
 *
 * @param step 1e-2 suits float32: smaller steps drown in rounding, larger ones in curvature
 * @returns float32, shape of `x`
 */
export function numericGrad<T extends Tensor>(f: (x: T) => Tensor, x: T, step = 1e-2): T {
  const at = Float32Array.from(x.dataSync());
  const valueAt = (values: Float32Array): number =>
    tf.tidy(() => f(tf.tensor(values.slice(), x.shape, "float32") as Tensor as T).dataSync()[0]!);
  const slope = at.map((centre, i) => {
    const moved = (by: number): Float32Array => {
      const copy = at.slice();
      copy[i] = centre + by;
      return copy;
    };
    return (valueAt(moved(step)) - valueAt(moved(-step))) / (2 * step);
  });
  return tf.tensor(slope, x.shape, "float32") as Tensor as T;
}
