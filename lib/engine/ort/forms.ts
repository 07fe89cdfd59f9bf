import type { Attributes, GraphBuilder } from "./graph";
import { ELEMENT, type ElementType } from "./onnx";

/** Short forms for nodes, over the names of what they take. */
export class Forms {
  constructor(readonly graph: GraphBuilder) {}

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
