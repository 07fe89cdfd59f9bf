import type { KernelDef } from "./kernel";
import type { Op, Val } from "./value";

/** JSON writes infinities and NaN as null and -0 as 0; operations that differ in one of them are not the same. */
function exactNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
    ? `number ${Object.is(value, -0) ? "-0" : value}`
    : value;
}

/** Numbers for operations: equal where kernel, attributes and the outputs' types and shapes are. */
export class Signatures {
  readonly #known = new Map<string, number>();

  of(def: KernelDef, attrs: object, outs: readonly Val[]): number {
    const text = `${def.name!} ${JSON.stringify(attrs, exactNumber)} ${outs.map((v) => `${v.dtype}[${v.shape.join()}]`).join(" ")}`;
    let signature = this.#known.get(text);
    if (signature === undefined) this.#known.set(text, (signature = this.#known.size));
    return signature;
  }
}

/** What a program needs from outside. */
export interface Taken {
  /** What it takes in at every run. */
  readonly leaves: readonly Val[];
  /** What is part of it. */
  readonly frozen: readonly Val[];
}

/**
 * The exact structure of a program as a string (operations, attributes, wiring, shapes, frozen values, which results are kept),
 * and the values it needs.
 *
 * @param batch a number that no value's `batch` has yet; values are numbered under it
 */
export function structureOf(ops: readonly Op[], roots: readonly Val[], batch: number): Taken & { key: string } {
  const leaves: Val[] = [];
  const code: number[] = [];
  let made = 0;
  for (const op of ops) {
    code.push(op.signature, op.ins.length);
    for (const v of op.ins) {
      if (v.batch !== batch) {
        v.batch = batch;
        v.number = 2 * leaves.length;
        leaves.push(v);
      }
      code.push(v.number);
    }
    for (const v of op.outs) {
      v.batch = batch;
      v.number = 2 * made++ + 1;
    }
  }
  code.push(leaves.length);
  for (const v of leaves) {
    if (v.error !== undefined) throw v.error;
    code.push(
      v.half ? 3 : v.dtype === "float32" ? 0 : v.dtype === "int32" ? 1 : 2,
      v.frozen,
      v.shape.length,
      ...v.shape,
    );
  }
  for (const v of roots) code.push(v.number);
  const key = Buffer.from(Uint32Array.from(code).buffer).toString("latin1");
  return { key, leaves: leaves.filter((v) => v.frozen === 0), frozen: leaves.filter((v) => v.frozen > 0) };
}
