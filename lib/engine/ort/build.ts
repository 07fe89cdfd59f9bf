import { Emission, type Operand } from "./emission";
import { GraphBuilder, type Target } from "./graph";
import { ELEMENT, type GraphSpec, type TensorSpec } from "./onnx";
import type { Taken } from "./structure";
import { bytesOf, type Op, type Val } from "./value";

/** Largest sum of bytes of values between the operations that are alive at once, in recorded order. */
function peakBytes(ops: readonly Op[], roots: ReadonlySet<Val>): number {
  const left = new Map<Val, number>();
  for (const op of ops) for (const v of op.ins) left.set(v, (left.get(v) ?? 0) + 1);
  let now = 0;
  let peak = 0;
  for (const op of ops) {
    for (const v of op.outs) if (!roots.has(v) && left.has(v)) now += bytesOf(v.shape, v.dtype);
    peak = Math.max(peak, now);
    for (const v of op.ins) {
      const n = left.get(v)! - 1;
      left.set(v, n);
      if (n === 0 && v.op !== undefined && !roots.has(v)) now -= bytesOf(v.shape, v.dtype);
    }
  }
  return peak;
}

export interface BuiltGraph {
  readonly graph: GraphSpec;
  /** Values whose numbers are in the graph. */
  readonly frozen: readonly Val[];
  /** Largest sum of intermediate values alive at once. */
  readonly bytes: number;
  /** In debug mode: where the operation behind each node was recorded. */
  readonly origins: ReadonlyMap<string, string>;
}

/**
 * Builds the ONNX graph of recorded operations.
 *
 * @param ops needed operations in recorded order
 * @param taken values that have data; the leaves in the order of the graph's inputs
 * @param roots values to fetch
 * @param target what the graph will run on
 */
export function buildGraph(
  ops: readonly Op[],
  { leaves, frozen }: Taken,
  roots: readonly Val[],
  target: Target,
): BuiltGraph {
  const builder = new GraphBuilder(target);
  const inputs = leaves.map((v, i): TensorSpec => {
    const name = `in:${i}`;
    const type = v.half ? "float16" : v.dtype;
    builder.input(name, type);
    v.name = v.half ? builder.node("Cast", [name], { to: ELEMENT.float32 }) : name;
    return { name, type, dims: v.shape };
  });
  for (const v of frozen) v.name = builder.constant(v.dtype, v.data!, v.shape);
  const read = new Set(roots);
  for (const op of ops) for (const v of op.ins) read.add(v);
  const broadcasts = new Map<Val, Operand>();

  const nameOf = (v: Val): string => {
    if (v.name !== undefined) return v.name;
    const source = broadcasts.get(v)!;
    return (v.name = builder.node("Expand", [source.name, builder.constant("int64", v.shape, [v.shape.length])]));
  };
  const looseOf = (v: Val): Operand => broadcasts.get(v) ?? { name: nameOf(v), shape: v.shape };

  for (const op of ops) {
    builder.startKernel(op.def.name!, op.origin);
    if (op.def.broadcast === true) {
      const from = op.ins[0];
      broadcasts.set(
        op.outs[0]!,
        from === undefined
          ? { name: op.def.emit(new Emission(builder, op, nameOf, looseOf, read), op.attrs) as string, shape: [] }
          : looseOf(from),
      );
      op.outs[0]!.name = undefined;
      continue;
    }
    const emitted = op.def.emit(new Emission(builder, op, nameOf, looseOf, read), op.attrs);
    const names = typeof emitted === "string" ? [emitted] : emitted;
    op.outs.forEach((v, i) => (v.name = names[i]!));
  }

  const taken = new Set(inputs.map((i) => i.name));
  const outputs = roots.map((v): TensorSpec => {
    let name = nameOf(v);
    // An output needs a name of its own: not an input's, a constant's or another output's.
    if (taken.has(name) || name.startsWith("c:")) name = builder.node("Identity", [name]);
    taken.add(name);
    return { name, type: v.dtype, dims: v.shape };
  });
  const bytes = peakBytes(ops, new Set(roots));
  for (const v of [...leaves, ...frozen]) v.name = undefined;
  return { graph: builder.finish(inputs, outputs), frozen, bytes, origins: builder.origins };
}
