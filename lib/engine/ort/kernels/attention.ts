import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Emission } from "../lower/emission";
import { MASKED } from "../ops/attention";
import { define, type KernelTable } from "./kernel";

/** Tokens a block of causal attention has at most: smaller ones skip more and compute slower. */
const BLOCK = 128;

interface AttentionAttrs {
  scale: number;
  causal: boolean;
}

/** Rows of the queries and the keys that they may see: from 0 to `keys`. */
interface Block {
  readonly first: number;
  readonly rows: number;
  readonly keys: number;
}

function blocksOf(q: readonly number[], k: readonly number[], causal: boolean): Block[] {
  const [T, S] = [q.at(-2)!, k.at(-2)!];
  if (!causal) return [{ first: 0, rows: T, keys: S }];
  const count = Math.ceil(S / BLOCK);
  const group = T / S;
  const cuts = Array.from({ length: count + 1 }, (_, i) => Math.round((i * S) / count));
  return cuts.slice(1).map((end, i) => ({ first: cuts[i]! * group, rows: (end - cuts[i]!) * group, keys: end }));
}

/** Nodes of attention between stacks of matrices of one rank. */
class Products {
  readonly #rank: number;

  constructor(
    readonly e: Emission,
    readonly attrs: AttentionAttrs,
    q: readonly number[],
    readonly k: readonly number[],
    readonly blocks = blocksOf(q, k, attrs.causal),
  ) {
    this.#rank = q.length;
  }

  /** @param a, b stacks of matrices */
  product(a: string, b: string, transpose: { a?: boolean; b?: boolean } = {}, alpha = 1): string {
    return this.e.matmul(a, b, transpose.a, transpose.b, [this.#rank, this.#rank], alpha);
  }

  rows(x: string, { first, rows }: Block): string {
    return this.blocks.length === 1 ? x : this.e.slice(x, [this.#rank - 2], [first], [first + rows]);
  }

  /** The keys, or values, that a block sees. */
  seen(x: string, { keys }: Block): string {
    return keys === this.k.at(-2) ? x : this.e.slice(x, [this.#rank - 2], [0], [keys]);
  }

  /** All rows again, from those of the blocks. */
  joined(parts: readonly string[]): string {
    return parts.length === 1 ? parts[0]! : this.e.node("Concat", parts, { axis: this.#rank - 2 });
  }

  /** Sum of what the blocks give to their keys, from transposed parts [..., K, keys]: float32[..., S, K]. */
  overKeys(parts: readonly string[]): string {
    const { e, blocks } = this;
    const zeros = Array.from({ length: this.#rank }, () => 0);
    const sum = parts.reduce((seen, part, i) => {
      const more = blocks[i]!.keys - blocks[i - 1]!.keys;
      return e.node("Add", [e.node("Pad", [seen, e.list([...zeros, ...zeros.slice(1), more]), e.scalar(0)]), part]);
    });
    return e.transpose(
      sum,
      Array.from({ length: this.#rank }, (_, axis) => (axis < this.#rank - 2 ? axis : 2 * this.#rank - 3 - axis)),
    );
  }
}

const upTo = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));

/** [rows, keys] MASKED where a row would see a later key. Made in the graph: long ones would be most of its file. */
function mask(e: Emission, { first, rows, keys }: Block, group: number): string {
  const last = e.constant(
    upTo(rows, (r) => Math.floor((first + r) / group)),
    [rows, 1],
    "int32",
  );
  const later = e.node("Greater", [
    e.constant(
      upTo(keys, (key) => key),
      [1, keys],
      "int32",
    ),
    last,
  ]);
  return e.node("Mul", [e.cast(later, "float32"), e.scalar(MASKED)]);
}

function forward(e: Emission, attrs: AttentionAttrs): string[] {
  const [q, k, v, bias] = e.ins() as [string, string, string, string?];
  const at = new Products(e, attrs, e.shape(0), e.shape(1));
  const group = e.shape(0).at(-2)! / e.shape(1).at(-2)!;
  const weights = at.blocks.map((block) => {
    const scores = at.product(at.rows(q, block), at.seen(k, block), { b: true }, attrs.scale);
    const added = attrs.causal ? mask(e, block, group) : bias;
    return e.node("Softmax", [added === undefined ? scores : e.node("Add", [scores, added])], { axis: -1 });
  });
  return [at.joined(at.blocks.map((block, i) => at.product(weights[i]!, at.seen(v, block)))), ...weights];
}

/**
 * With A the weights and P = A v: dA = dP vᵀ, and the scores' gradient is A (dA − rowsum(dA A)), where rowsum(dA A) =
 * rowsum(dP P) has far fewer terms.
 */
function backward(e: Emission, attrs: AttentionAttrs): string[] {
  const [dy, q, k, v, out, ...weights] = e.ins() as [string, string, string, string, string, ...string[]];
  const at = new Products(e, attrs, e.shape(1), e.shape(2));
  const sums = e.node("ReduceSum", [e.node("Mul", [dy, out]), e.list([-1])], { keepdims: 1 });
  const parts = at.blocks.map((block, i) => {
    const [dyi, qi] = [at.rows(dy, block), at.rows(q, block)];
    const da = at.product(dyi, at.seen(v, block), { b: true });
    const ds = e.node("Mul", [e.node("Sub", [da, at.rows(sums, block)]), weights[i]!]);
    return {
      dq: at.product(ds, at.seen(k, block), {}, attrs.scale),
      // transposed, so that the smaller operand is the one to turn
      dk: at.product(qi, ds, { a: true }, attrs.scale),
      dv: at.product(dyi, weights[i]!, { a: true }),
    };
  });
  return [at.joined(parts.map((p) => p.dq)), at.overKeys(parts.map((p) => p.dk)), at.overKeys(parts.map((p) => p.dv))];
}

const like = (t: TensorInfo): { shape: number[]; dtype: "float32" } => ({ shape: t.shape, dtype: "float32" });

/** See ops/attention.ts. */
export const attentionKernels: KernelTable = {
  /** Outputs the mixed values, then the weights of each block. */
  Attention: define<AttentionAttrs, AttentionAttrs>(({ q, k, v, bias }, { scale, causal }) => {
    const weights = blocksOf(q!.shape, k!.shape, causal).map(({ rows, keys }) => ({
      shape: [...q!.shape.slice(0, -2), rows, keys],
      dtype: "float32" as const,
    }));
    return {
      ins: [q!, k!, v!, ...(bias == null ? [] : [bias])],
      outs: [like(q!), ...weights],
      attrs: { scale, causal },
    };
  }, forward),
  AttentionGrad: define<AttentionAttrs, AttentionAttrs>(
    ({ dy, q, k, v, out, ...weights }, { scale, causal }) => ({
      ins: [dy!, q!, k!, v!, out!, ...Object.values(weights)],
      outs: [like(q!), like(k!), like(v!)],
      attrs: { scale, causal },
    }),
    backward,
  ),
};
