import { Forms } from "./forms";
import type { GraphBuilder } from "./graph";
import type { ElementType } from "./onnx";
import type { Op, Val } from "./value";

/** An operand and the shape under which it enters. */
export interface Operand {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What `emit` of a kernel works with: its operands by position, and short forms for nodes. */
export class Emission extends Forms {
  constructor(
    graph: GraphBuilder,
    readonly op: Op,
    private readonly nameOf: (value: Val) => string,
    private readonly looseOf: (value: Val) => Operand,
    private readonly read: ReadonlySet<Val>,
  ) {
    super(graph);
  }

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
}
