import { Forms } from "./forms";
import {
  type Attribute,
  type ConstantSpec,
  ELEMENT,
  type ElementType,
  type GraphSpec,
  type NodeSpec,
  type TensorSpec,
} from "./onnx";
import type { Rules } from "./rules/rule";

export type Attributes = Readonly<Record<string, Attribute>>;

/** What a graph is emitted for. */
export interface Target {
  readonly rules: Rules;
  /** ScatterND(add) adds every row, also where rows repeat. */
  readonly scatterAdds: boolean;
  /** See `Provider`. */
  readonly turnsAgain: boolean;
}

const ARRAYS = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
  float64: Float64Array,
} as const;

function rawBytes(type: ElementType, values: ArrayLike<number>): Uint8Array {
  if (type === "int64") return new Uint8Array(BigInt64Array.from(Array.from(values), (v) => BigInt(v)).buffer);
  if (type === "float16") throw new RangeError("constants of type float16 are cast from float32");
  return new Uint8Array(ARRAYS[type].from(values).buffer);
}

const ELEMENT_NAMES = Object.fromEntries(Object.entries(ELEMENT).map(([name, number]) => [number, name])) as Record<
  number,
  ElementType
>;

const TESTS = new Set([
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
  readonly #forms = new Forms(this);
  readonly #casts = new Map<string, string>();
  /** Where the operation behind each node was recorded, as far as known. */
  readonly origins = new Map<string, string>();
  #kernel = "";
  #origin: string | undefined;
  #counter = 0;

  constructor(readonly target: Target) {}

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
    return this.#types.get(name)!;
  }

  nodes(
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    outputs: number,
    domain = "",
    ranks?: readonly number[],
  ): string[] {
    const replaced = this.target.rules[op]?.(this.#forms, { inputs, attributes, outputs, ranks });
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

  node(op: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    return this.nodes(op, inputs, attributes, 1, domain)[0]!;
  }

  #resultType(op: string, inputs: readonly string[], attributes: Attributes, output: number): ElementType {
    if (op === "Cast") return ELEMENT_NAMES[attributes.to as number]!;
    if (TESTS.has(op)) return "bool";
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
      c = { name: `c:${this.#constants.size}`, type, dims, raw: rawBytes(type, values) };
      this.#constants.set(key, c);
      this.#types.set(c.name, type);
    }
    return c.name;
  }

  finish(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): GraphSpec {
    return { nodes: this.#nodes, constants: [...this.#constants.values()], inputs, outputs };
  }
}
