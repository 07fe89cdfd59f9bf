import type { Op, Value } from "../ir";
import { type GraphBuilder, Nodes } from "./graph";
import type { ElementType } from "./onnx";

/** An operand and the shape under which it enters. */
export interface Operand {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What the lowered values are called in the graph, and which of them are read. */
export interface Names {
  nameOf(value: Value): string;
  /** The operand before it was broadcast. */
  unbroadcast(value: Value): Operand;
  isRead(value: Value): boolean;
}

/** How the operations of a kernel become nodes. */
export interface Lowering {
  /** Emits the nodes of one operation. @returns the names of its outputs */
  readonly lower: (e: Emission, attrs: never) => readonly string[] | string;
  /**
   * The output is the input, or what `lower` returns, broadcast to its shape; expanded only where a consumer needs it.
   */
  readonly broadcast?: boolean;
}

/** By kernel. */
export type Lowerings = Readonly<Record<string, Lowering>>;

/** What lowering an operation works with: its operands by position, and short forms for nodes. */
export class Emission extends Nodes {
  constructor(
    graph: GraphBuilder,
    readonly op: Op,
    private readonly names: Names,
  ) {
    super(graph);
  }

  /** Somebody reads output `i`; where not, `lower` may return "" for it. */
  wanted(i: number): boolean {
    return this.names.isRead(this.op.outs[i]!);
  }

  /** Name of input `i`. */
  in(i: number): string {
    return this.names.nameOf(this.op.ins[i]!);
  }

  ins(): string[] {
    return this.op.ins.map((v) => this.names.nameOf(v));
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
   * Names of the inputs for a node that broadcasts by itself: a traced broadcast is skipped where the other operands
   * already give the output its shape.
   */
  loose(): string[] {
    const { ins } = this.op;
    const shape = this.out.shape;
    const operands = ins.map((v) => this.names.unbroadcast(v));
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
}
