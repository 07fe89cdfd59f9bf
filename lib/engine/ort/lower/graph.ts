import {
  type Attribute,
  type ConstantSpec,
  ELEMENT,
  type ElementType,
  type GraphSpec,
  type NodeSpec,
  type TensorSpec,
} from "./onnx";

export type Attributes = Readonly<Record<string, Attribute>>;

/** A node about to be added to a graph. */
export interface Call {
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
  /** Operator set, "" for ONNX's own. */
  readonly domain: string;
  /** How many outputs it has. */
  readonly outputs: number;
  /** Ranks of the inputs, where the caller knows them. */
  readonly ranks?: readonly number[];
}

/** Emits other nodes in place of one that a provider lacks; undefined leaves the node as it is. */
export type Rule = (f: Nodes, call: Call) => string | readonly string[] | undefined;

/** By ONNX operation. */
export type Rules = Readonly<Record<string, Rule>>;

/** What a graph is emitted for. */
export interface Target {
  readonly rules: Rules;
  /** ScatterND(add) adds every row, also where rows repeat. */
  readonly scatterAdds: boolean;
  /** Products with many columns run faster when a transposed first operand is transposed by a node of its own. */
  readonly pretransposes: boolean;
  /** Numbers a piece of elementwise operations has that run piece by piece; undefined where they run as a whole. */
  readonly piece: number | undefined;
}

const ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
  float64: Float64Array,
} as const;

function rawBytes(type: ElementType, values: ArrayLike<number>): Uint8Array {
  if (type === "int64") return new Uint8Array(BigInt64Array.from(Array.from(values), (v) => BigInt(v)).buffer);
  if (type === "float16" || type === "bfloat16")
    throw new RangeError(`constants of type ${type} are cast from float32`);
  return new Uint8Array(ARRAYS[type].from(values).buffer);
}

const ELEMENT_NAMES = Object.fromEntries(Object.entries(ELEMENT).map(([name, number]) => [number, name])) as Record<
  number,
  ElementType
>;

/** Operations whose result is bool, whatever they take. */
const PREDICATES = new Set([
  "Equal",
  "Greater",
  "GreaterOrEqual",
  "Less",
  "LessOrEqual",
  "Not",
  "And",
  "Or",
  "Xor",
  "IsNaN",
  "IsInf",
]);

/** Collects the nodes of one graph. */
export class GraphBuilder {
  readonly #nodes: NodeSpec[] = [];
  readonly #constants = new Map<string, ConstantSpec>();
  readonly #types = new Map<string, ElementType>();
  readonly #short = new Nodes(this);
  readonly #casts = new Map<string, string>();
  /** Where the operation behind each node was traced, as far as known. */
  readonly origins = new Map<string, string>();
  #kernel = "";
  #origin: string | undefined;
  #counter = 0;
  #subgraphs = 0;

  /** @param outer of a subgraph: the graph around it, whose names it may use, and what its own names begin with */
  constructor(
    readonly target: Target,
    private readonly outer?: { readonly graph: GraphBuilder; readonly prefix: string },
  ) {}

  /** Names of nodes and of what they give carry the tfjs kernel's name from here on. */
  startKernel(name: string, origin: string | undefined): void {
    this.#kernel = name;
    this.#origin = origin;
  }

  /** Makes the type of a graph's input known. */
  input(name: string, type: ElementType): void {
    this.#types.set(name, type);
  }

  /** What `name` is a cast of. */
  castOf(name: string): string | undefined {
    return this.#casts.get(name);
  }

  typeOf(name: string): ElementType {
    return this.#types.get(name) ?? this.outer!.graph.typeOf(name);
  }

  /**
   * A graph for a node's attribute. It takes tensors of `shape`, of the types of `inputs`, and gives tensors of
   * `shape`; `body` emits its nodes.
   */
  subgraph(
    shape: readonly number[],
    inputs: readonly string[],
    body: (f: Nodes, inputs: readonly string[]) => readonly string[],
  ): { readonly graph: GraphSpec; readonly results: number } {
    const prefix = `${this.#kernel}/${this.#subgraphs++}/`;
    const inner = new GraphBuilder(this.target, { graph: this, prefix });
    inner.startKernel(prefix, this.#origin);
    const taken = inputs.map(
      (name, i): TensorSpec => ({ name: `${prefix}in:${i}`, type: this.typeOf(name), dims: shape }),
    );
    for (const { name, type } of taken) inner.input(name, type);
    const given = body(
      new Nodes(inner),
      taken.map(({ name }) => name),
    ).map((name): TensorSpec => ({ name, type: inner.typeOf(name), dims: shape }));
    for (const [name, origin] of inner.origins) this.origins.set(name, origin);
    return { graph: inner.finish(taken, given), results: given.length };
  }

  nodes(
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    outputs: number,
    domain = "",
    ranks?: readonly number[],
  ): string[] {
    const replaced = this.target.rules[op]?.(this.#short, { inputs, attributes, domain, outputs, ranks });
    if (replaced !== undefined) return typeof replaced === "string" ? [replaced] : [...replaced];
    const id = this.#counter++;
    const name = `${this.#kernel}#${id}`;
    const names = Array.from({ length: outputs }, (_, i) => `${name}:${i}`);
    if (this.#origin !== undefined) this.origins.set(name, this.#origin);
    this.#nodes.push({ op, name, inputs, outputs: names, domain, attributes });
    names.forEach((n, i) => this.#types.set(n, this.#resultType(op, inputs, attributes, i)));
    if (op === "Cast") this.#casts.set(names[0]!, inputs[0]!);
    return names;
  }

  #resultType(op: string, inputs: readonly string[], attributes: Attributes, output: number): ElementType {
    if (op === "Cast") return ELEMENT_NAMES[attributes.to as number]!;
    if (PREDICATES.has(op)) return "bool";
    if (op === "ArgMax" || op === "ArgMin" || ((op === "TopK" || op === "MaxPool") && output === 1)) return "int64";
    return this.typeOf(inputs[op === "Where" ? 1 : 0]!);
  }

  constant(type: ElementType, values: ArrayLike<number>, dims: readonly number[]): string {
    const key =
      values.length <= 16
        ? `${type}|${dims.join()}|${Array.prototype.map.call(values, (v) => (Object.is(v, -0) ? "-0" : v)).join()}`
        : `#${this.#counter++}`;
    let c = this.#constants.get(key);
    if (c === undefined) {
      const name = `${this.outer?.prefix ?? ""}c:${this.#constants.size}`;
      c = { name, type, dims, raw: rawBytes(type, values) };
      this.#constants.set(key, c);
      this.#types.set(c.name, type);
    }
    return c.name;
  }

  finish(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): GraphSpec {
    return { nodes: this.#nodes, constants: [...this.#constants.values()], inputs, outputs };
  }
}

/** Short forms for adding nodes, over the names of what they take. */
export class Nodes {
  constructor(readonly graph: GraphBuilder) {}

  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.nodes(op, inputs, attributes, 1)[0]!;
  }

  /** A node of ONNX Runtime's own operator set. */
  contrib(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.nodes(op, inputs, attributes, 1, "com.microsoft")[0]!;
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
    return this.node("Cast", [name], { to: ELEMENT[to] });
  }

  reshape(name: string, shape: readonly number[]): string {
    // A zero in Reshape's target means "keep" unless allowzero is set.
    return this.node("Reshape", [name, this.list(shape)], shape.includes(0) ? { allowzero: 1 } : {});
  }

  transpose(name: string, perm: readonly number[]): string {
    return perm.every((p, i) => p === i) ? name : this.node("Transpose", [name], { perm });
  }

  slice(
    name: string,
    axes: readonly number[],
    begin: readonly number[],
    end: readonly number[],
    step?: readonly number[],
  ): string {
    return this.node("Slice", [
      name,
      this.list(begin),
      this.list(end),
      this.list(axes),
      ...(step === undefined ? [] : [this.list(step)]),
    ]);
  }

  /** `a` or `b` by `condition`. */
  select(condition: string, a: string, b: string): string {
    return this.node("Where", [condition, a, b]);
  }

  /**
   * alpha · a b
   *
   * @param ranks of a and b; only a product of transposed operands needs them
   */
  matmul(
    a: string,
    b: string,
    transA = false,
    transB = false,
    ranks: readonly [number, number] = [2, 2],
    alpha = 1,
  ): string {
    if (!transA && !transB && alpha === 1) return this.node("MatMul", [a, b]);
    const attributes = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } };
    return this.graph.nodes("FusedMatMul", [a, b], attributes, 1, "com.microsoft", ranks)[0]!;
  }
}
