import type { Tensor } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { tf } from "../tf";
import { type Engine, use } from "./engines";

/** What a computation gives, as plain numbers. */
export interface Result {
  readonly shape: number[];
  readonly dtype: string;
  readonly values: number[];
}

export function read(tensors: Tensor | Tensor[]): Result[] {
  return (Array.isArray(tensors) ? tensors : [tensors]).map((t) => ({
    shape: t.shape,
    dtype: t.dtype,
    values: Array.from(t.dataSync()),
  }));
}

export async function on<T>(engine: Engine, body: () => T): Promise<T> {
  await use(engine);
  return tf.tidy(body as never) as T;
}

/**
 * Largest difference relative to the tensor's largest finite value (at least 1); equal non-finite values count as
 * equal.
 */
export function worst(a: readonly number[], b: readonly number[]): number {
  let scale = 1;
  for (const v of b) if (Number.isFinite(v)) scale = Math.max(scale, Math.abs(v));
  return a.reduce(
    (most, v, i) =>
      Object.is(v, b[i]) || v === b[i]
        ? most
        : Math.max(most, Number.isNaN(v - b[i]!) ? Infinity : Math.abs(v - b[i]!) / scale),
    0,
  );
}

export function expectClose(got: readonly Result[], want: readonly Result[], tolerance: number, label: string): void {
  expect(
    got.map(({ shape, dtype }) => ({ shape, dtype })),
    label,
  ).toEqual(want.map(({ shape, dtype }) => ({ shape, dtype })));
  got.forEach((g, i) =>
    expect(
      worst(g.values, want[i]!.values),
      `${label}, output ${i}: ${g.values.slice(0, 8).join(" ")} against ${want[i]!.values.slice(0, 8).join(" ")}`,
    ).toBeLessThanOrEqual(tolerance),
  );
}
