import type { Program, ProgramInputs, Value } from "../ir";

const TYPES = { float32: 0, int32: 1, bool: 2, float16: 3, bfloat16: 4 } as const;

/**
 * The exact structure of a program as a string (operations, attributes, wiring, shapes, frozen values, which results
 * are kept), and the values it needs.
 *
 * @throws the error of a value that could not be computed
 */
export function structureOf({ ops, roots }: Program): ProgramInputs & { readonly key: string } {
  const all: Value[] = [];
  // leaves have even numbers, results of operations odd ones
  const numbers = new Map<Value, number>();
  const code: number[] = [];
  let made = 0;
  for (const op of ops) {
    code.push(op.signature, op.ins.length);
    for (const v of op.ins) {
      let number = numbers.get(v);
      if (number === undefined) {
        number = 2 * all.length;
        numbers.set(v, number);
        all.push(v);
      }
      code.push(number);
    }
    for (const v of op.outs) numbers.set(v, 2 * made++ + 1);
  }
  code.push(all.length);
  for (const { storage, dtype, shape } of all) {
    if (storage.error !== undefined) throw storage.error;
    const type = TYPES[storage.rounded ?? dtype];
    code.push(type, storage.frozen, shape.length, ...shape);
  }
  for (const v of roots) code.push(numbers.get(v)!);
  const key = Buffer.from(Uint32Array.from(code).buffer).toString("latin1");
  const [leaves, frozen]: [Value[], Value[]] = [[], []];
  for (const v of all) (v.storage.frozen === 0 ? leaves : frozen).push(v);
  return { key, leaves, frozen };
}
