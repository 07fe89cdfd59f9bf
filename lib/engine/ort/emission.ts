import type { Attribute, ConstantSpec, ElementType, GraphSpec, NodeSpec, TensorSpec } from "./onnx";
import type { Op, Val } from "./value";

type Attributes = Readonly<Record<string, Attribute>>;

const ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
  float64: Float64Array,
} as const;

function rawBytes(type: ElementType, values: ArrayLike<number>): Uint8Array {
  if (type === "int64") return new Uint8Array(BigInt64Array.from(Array.from(values), (v) => BigInt(v)).buffer);
  return new Uint8Array(ARRAYS[type].from(values).buffer);
}

/** Collects the nodes of one graph. */
export class GraphBuilder {
  readonly #nodes: NodeSpec[] = [];
  readonly #constants = new Map<string, ConstantSpec>();
  #kernel = "";
  #counter = 0;

  /** @param threads how many the graph will run on: some nodes are right on one only */
  constructor(readonly threads: number) {}

  /** Names of nodes and of what they give carry the tfjs kernel's name from here on. */
  startKernel(name: string): void {
    this.#kernel = name;
  }

  nodes(op: string, inputs: readonly string[], attributes: Attributes, outputs: number, domain = ""): string[] {
    const id = this.#counter++;
    const name = `${this.#kernel}#${id}`;
    const names = Array.from({ length: outputs }, (_, i) => `${name}:${i}`);
    this.#nodes.push({ op, name, inputs, outputs: names, domain, attributes });
    return names;
  }

  node(op: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    return this.nodes(op, inputs, attributes, 1, domain)[0]!;
  }

  constant(type: ElementType, values: ArrayLike<number>, dims: readonly number[]): string {
    const key = values.length <= 16 ? `${type}|${dims.join()}|${Array.prototype.map.call(values, (v) => (Object.is(v, -0) ? "-0" : v)).join()}` : `#${this.#counter++}`;
    let c = this.#constants.get(key);
    if (c === undefined) {
      c = { name: `c:${this.#constants.size}`, type, dims, raw: rawBytes(type, values) };
      this.#constants.set(key, c);
    }
    return c.name;
  }

  finish(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): GraphSpec {
    return { nodes: this.#nodes, constants: [...this.#constants.values()], inputs, outputs };
  }

  get size(): number {
    return this.#nodes.length;
  }
}

/** An operand and the shape under which it enters. */
export interface Operand {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What `emit` of a kernel works with: its operands by position, and short forms for nodes. */
export class Emission {
  constructor(
    readonly graph: GraphBuilder,
    readonly op: Op,
    private readonly nameOf: (value: Val) => string,
    private readonly looseOf: (value: Val) => Operand,
    private readonly read: ReadonlySet<Val>,
  ) {}

  /** Somebody reads output `i`; where not, `emit` may return "" for it. */
  wanted(i: number): boolean {
    return this.read.has(this.op.outs[i]!);
  }

  /** Name of input `i`. */
  in(i: number): string {
    return this.nameOf(this.op.ins[i]!);
  }

  ins(): string[] {
    return this.op.ins.map((v) => this.nameOf(v));
  }

  shape(i: number): readonly number[] {
    return this.op.ins[i]!.shape;
  }

  dtype(i: number): ElementType {
    return this.op.ins[i]!.dtype;
  }

  get out(): { readonly shape: readonly number[]; readonly dtype: ElementType } {
    return this.op.outs[0]!;
  }

  /**
   * Names of the inputs for a node that broadcasts by itself: a recorded broadcast is skipped where the
   * other operands already give the output its shape.
   */
  loose(): string[] {
    const { ins } = this.op;
    const shape = this.out.shape;
    const operands = ins.map(this.looseOf);
    const covered = (skip: number): boolean => {
      const rank = shape.length;
      return shape.every(
        (size, axis) =>
          size === 1 ||
          operands.some((o, i) => {
            const own = i === skip ? ins[i]!.shape : o.shape;
            return own[axis - rank + own.length] === size;
          }),
      );
    };
    if (covered(-1)) return operands.map((o) => o.name);
    const expand = operands.findIndex((_, i) => covered(i));
    return operands.map((o, i) => (i === expand || expand < 0 ? this.in(i) : o.name));
  }

  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.node(op, inputs, attributes);
  }

  /** A node of ONNX Runtime's own operator set. */
  contrib(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.node(op, inputs, attributes, "com.microsoft");
  }

  scalar(value: number, type: ElementType = "float32"): string {
    return this.graph.constant(type, [value], []);
  }

  constant(values: ArrayLike<number>, dims: readonly number[], type: ElementType = "float32"): string {
    return this.graph.constant(type, values, dims);
  }

  /** A 1-D int64 constant, which is how ONNX takes axes, shapes and bounds. */
  list(values: readonly number[]): string {
    return this.graph.constant("int64", values, [values.length]);
  }

  cast(name: string, to: ElementType): string {
    return this.node("Cast", [name], { to: { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 }[to] });
  }

  reshape(name: string, shape: readonly number[]): string {
    // A zero in Reshape's target means "keep" unless allowzero is set.
    return this.node("Reshape", [name, this.list(shape)], shape.includes(0) ? { allowzero: 1 } : {});
  }

  transpose(name: string, perm: readonly number[]): string {
    return perm.every((p, i) => p === i) ? name : this.node("Transpose", [name], { perm });
  }

  slice(name: string, axes: readonly number[], begin: readonly number[], end: readonly number[], step?: readonly number[]): string {
    return this.node("Slice", [name, this.list(begin), this.list(end), this.list(axes), ...(step === undefined ? [] : [this.list(step)])]);
  }

  /** `a` or `b` by `condition`. */
  select(condition: string, a: string, b: string): string {
    return this.node("Where", [condition, a, b]);
  }

  matmul(a: string, b: string, transA = false, transB = false, alpha = 1): string {
    if (!transA && !transB && alpha === 1) return this.node("MatMul", [a, b]);
    return this.contrib("FusedMatMul", [a, b], { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } });
  }
}
