import { bytesOf, type Program, type ProgramInputs, type Value } from "../ir";
import { Emission, type Lowerings, type Names, type Operand } from "./emission";
import { GraphBuilder, type Target } from "./graph";
import { ELEMENT, type GraphSpec, type TensorSpec } from "./onnx";

/** Largest sum of bytes of values between the operations that are alive at once, in traced order. */
function peakBytes({ ops, roots }: Program): number {
  const kept = new Set(roots);
  const left = new Map<Value, number>();
  for (const op of ops) for (const v of op.ins) left.set(v, (left.get(v) ?? 0) + 1);
  const between = new Set<Value>();
  let now = 0;
  let peak = 0;
  for (const op of ops) {
    for (const v of op.outs) {
      if (kept.has(v) || !left.has(v)) continue;
      between.add(v);
      now += bytesOf(v);
    }
    peak = Math.max(peak, now);
    for (const v of op.ins) {
      const n = left.get(v)! - 1;
      left.set(v, n);
      if (n === 0 && between.has(v)) now -= bytesOf(v);
    }
  }
  return peak;
}

export interface LoweredProgram {
  readonly graph: GraphSpec;
  /** Values whose numbers are in the graph. */
  readonly frozen: readonly Value[];
  /** Largest sum of intermediate values alive at once. */
  readonly bytes: number;
  /** In debug mode: where the operation behind each node was traced. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Names of values in a graph; a broadcast value gets its Expand node when somebody needs it in full. */
class LoweredNames implements Names {
  readonly #names = new Map<Value, string>();
  readonly #broadcasts = new Map<Value, Operand>();
  readonly #read: ReadonlySet<Value>;

  constructor(
    private readonly builder: GraphBuilder,
    { ops, roots }: Program,
  ) {
    const read = new Set(roots);
    for (const op of ops) for (const v of op.ins) read.add(v);
    this.#read = read;
  }

  set(value: Value, name: string): void {
    this.#names.set(value, name);
  }

  setBroadcast(value: Value, source: Operand): void {
    this.#broadcasts.set(value, source);
  }

  nameOf(value: Value): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      const { shape } = value;
      const target = this.builder.constant("int64", shape, [shape.length]);
      [name] = this.builder.nodes("Expand", [this.#broadcasts.get(value)!.name, target], {}, 1) as [string];
      this.#names.set(value, name);
    }
    return name;
  }

  unbroadcast(value: Value): Operand {
    return this.#broadcasts.get(value) ?? { name: this.nameOf(value), shape: value.shape };
  }

  isRead(value: Value): boolean {
    return this.#read.has(value);
  }
}

/**
 * Lowers a program to an ONNX graph.
 *
 * @param taken values that have their numbers; the leaves in the order of the graph's inputs
 * @param lowerings how each kernel becomes nodes
 * @param target what the graph will run on
 */
export function lowerProgram(
  program: Program,
  { leaves, frozen }: ProgramInputs,
  lowerings: Lowerings,
  target: Target,
): LoweredProgram {
  const builder = new GraphBuilder(target);
  const names = new LoweredNames(builder, program);
  const inputs = leaves.map((v, i): TensorSpec => {
    const name = `in:${i}`;
    const { rounded } = v.storage;
    const type = rounded ?? v.dtype;
    builder.input(name, type);
    names.set(v, rounded === undefined ? name : builder.nodes("Cast", [name], { to: ELEMENT.float32 }, 1)[0]!);
    return { name, type, dims: v.shape };
  });
  for (const v of frozen) names.set(v, builder.constant(v.dtype, v.storage.data!, v.shape));

  for (const op of program.ops) {
    const { lower, broadcast } = lowerings[op.kernel]!;
    builder.startKernel(op.kernel, op.origin);
    const emission = new Emission(builder, op, names);
    if (broadcast === true) {
      const from = op.ins[0];
      names.setBroadcast(
        op.outs[0]!,
        from === undefined
          ? { name: lower(emission, op.attrs as never) as string, shape: [] }
          : names.unbroadcast(from),
      );
      continue;
    }
    const emitted = lower(emission, op.attrs as never);
    if (typeof emitted === "string") names.set(op.outs[0]!, emitted);
    else op.outs.forEach((v, i) => names.set(v, emitted[i]!));
  }

  const taken = new Set(inputs.map((i) => i.name));
  const outputs = program.roots.map((v): TensorSpec => {
    let name = names.nameOf(v);
    // An output needs a name of its own: not an input's, a constant's or another output's.
    if (taken.has(name) || name.startsWith("c:")) [name] = builder.nodes("Identity", [name], {}, 1) as [string];
    taken.add(name);
    return { name, type: v.dtype, dims: v.shape };
  });
  return { graph: builder.finish(inputs, outputs), frozen, bytes: peakBytes(program), origins: builder.origins };
}
