import { sizeOf } from "../../core/parameters";
import type { Rng } from "../../core/rng";
import type { NamedArray } from "../task";

/** Normal numbers. */
export function normals(rng: Rng, shape: readonly number[], scale = 1): NamedArray {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => scale * rng.normal()) };
}

/** Whole numbers as `next` gives them, for index `i` of the flattened shape. */
export function integers(shape: readonly number[], next: (i: number) => number): NamedArray {
  return { shape, data: Int32Array.from({ length: sizeOf(shape) }, (_, i) => next(i)) };
}

/** Real numbers as `next` gives them. */
export function reals(shape: readonly number[], next: (i: number) => number): NamedArray {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => next(i)) };
}
