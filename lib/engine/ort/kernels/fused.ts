import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Emission } from "../lower/emission";
import type { Nodes } from "../lower/graph";
import { inPieces } from "../lower/pieces";
import { define, type KernelTable } from "./kernel";

const given = (...tensors: (TensorInfo | undefined)[]): TensorInfo[] =>
  tensors.filter((t): t is TensorInfo => t != null);
const perRow = (x: TensorInfo): number[] => [...x.shape.slice(0, -1), 1];

function rowMean(e: Emission, x: string): string {
  return e.node("ReduceMean", [x, e.list([-1])], { keepdims: 1 });
}

/** Sum over every axis but the last. */
function overRows(e: Emission, x: string, rank: number): string {
  return rank === 1
    ? x
    : e.node("ReduceSum", [x, e.list(Array.from({ length: rank - 1 }, (_, i) => i))], { keepdims: 0 });
}

/** Gradients of ŷ·γ + β with ŷ the normalised rows: at x without the rows' means when `centred`, at γ and at β. */
function normGradient(e: Emission, hat: string, inverse: string, centred: boolean, scaled: boolean): string[] {
  const dy = e.in(0);
  const rank = e.shape(0).length;
  const g = scaled ? e.node("Mul", [dy, e.in(e.op.ins.length - 1)]) : dy;
  const along = e.node("Mul", [hat, rowMean(e, e.node("Mul", [g, hat]))]);
  const across = e.node("Sub", [centred ? e.node("Sub", [g, rowMean(e, g)]) : g, along]);
  const outs = [e.node("Mul", [across, inverse])];
  if (scaled) outs.push(e.wanted(1) ? overRows(e, e.node("Mul", [dy, hat]), rank) : "");
  if (scaled && centred) outs.push(e.wanted(2) ? overRows(e, dy, rank) : "");
  return outs;
}

interface NormAttrs {
  eps: number;
}

function ones(e: Emission): string {
  const width = e.shape(0).at(-1)!;
  return e.constant(new Float32Array(width).fill(1), [width]);
}

/** ONNX Runtime takes a table of half heads with one row a token, and the tokens' rows in it. */
function rotary(e: Emission, { back }: { back: boolean }): string {
  const [B, L, H, K] = e.shape(0) as [number, number, number, number];
  const [tables, half] = [e.shape(1)[0]!, K / 2];
  // the sine's first half is that of the opposite turn
  const halfOf = (i: number, first: boolean): string =>
    e.reshape(e.slice(e.in(i), [3], [first ? 0 : half], [first ? half : K]), [tables * L, half]);
  const rows =
    tables === 1
      ? e.list([0])
      : e.constant(
          Array.from({ length: B * L }, (_, i) => i),
          [B, L],
          "int64",
        );
  const turned = e.contrib(
    "RotaryEmbedding",
    [e.reshape(e.in(0), [B, L, H * K]), rows, halfOf(1, true), halfOf(2, back)],
    { interleaved: 0 },
  );
  return e.reshape(turned, [B, L, H, K]);
}

type GeluForm = "exact" | "tanh";

/** Φ(x) + x φ(x); HardSigmoid is (1 + erf)/2 in one pass, since erf stays between -1 and 1. */
function geluSlope(e: Nodes, x: string): string {
  const times = (factor: number): string => e.node("Mul", [x, e.scalar(factor)]);
  const cdf = e.node("HardSigmoid", [e.node("Erf", [times(Math.SQRT1_2)])], {
    alpha: { float: 0.5 },
    beta: { float: 0.5 },
  });
  const bell = e.node("Exp", [e.node("Mul", [x, times(-0.5)])]);
  return e.node("Add", [cdf, e.node("Mul", [bell, times(1 / Math.sqrt(2 * Math.PI))])]);
}

/** (1 + t)/2 + x/2 (1 − t²) u' with t = tanh u, u = √(2/π)(x + 0.044715 x³) */
function tanhGeluSlope(e: Nodes, x: string): string {
  const c = Math.sqrt(2 / Math.PI);
  const square = e.node("Mul", [x, x]);
  const poly = (cubic: number): string => e.node("Add", [e.node("Mul", [square, e.scalar(cubic)]), e.scalar(c)]);
  const t = e.node("Tanh", [e.node("Mul", [x, poly(0.044715 * c)])]);
  const rise = e.node("Mul", [
    e.node("Mul", [x, poly(3 * 0.044715 * c)]),
    e.node("Sub", [e.scalar(1), e.node("Mul", [t, t])]),
  ]);
  return e.node("Mul", [e.node("Add", [e.node("Add", [t, e.scalar(1)]), rise]), e.scalar(0.5)]);
}

/** Gradients of SiLU(g) · u with s = σ(g): silu' u = s (u − y) + y. */
function swiGluGradient(e: Emission): string[] {
  const [dy, gate, up, y, silu] = e.ins() as [string, string, string, string, string];
  const slope = e.node("Add", [e.node("Mul", [e.node("Sub", [up, y]), e.node("Sigmoid", [gate])]), y]);
  return [e.node("Mul", [slope, dy]), e.node("Mul", [dy, silu])];
}

interface AdamWAttrs {
  decays: boolean;
  scaled: boolean;
}

/**
 * As few passes over the parameter as the formula allows: clipping goes into the factors of g and g², and with
 * q = √c₂ the step is (lr q / c₁) m' / (√v' + q ε). Equal scalar nodes of several parameters become one when ONNX
 * Runtime loads the graph.
 */
function adamw(e: Emission, { decays, scaled }: AdamWAttrs): readonly string[] {
  const names = e.ins();
  const [param, grad, m, v, lr, beta1, beta2, eps, correction1, correction2] = names as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const node = (op: string, a: string, b: string): string => e.node(op, [a, b]);
  const one = e.scalar(1);
  const scale = scaled ? names.at(-1)! : undefined;
  const fresh = (beta: string, factor: string | undefined): string => {
    const share = node("Sub", one, beta);
    return factor === undefined ? share : node("Mul", share, factor);
  };
  const [share1, share2] = [fresh(beta1, scale), fresh(beta2, scale && node("Mul", scale, scale))];
  const q = e.node("Sqrt", [correction2]);
  const rate = node("Div", node("Mul", lr, q), correction1);
  const least = node("Mul", eps, q);
  const keep = decays ? node("Sub", one, node("Mul", lr, names[10]!)) : undefined;
  return inPieces(e, [param, grad, m, v], e.shape(0), (f, [p, g, m1, v1]) => {
    const own = (op: string, a: string, b: string): string => f.node(op, [a, b]);
    const m2 = own("Add", own("Mul", m1!, beta1), own("Mul", g!, share1));
    const v2 = own("Add", own("Mul", v1!, beta2), own("Mul", own("Mul", g!, g!), share2));
    const step = own("Div", own("Mul", m2, rate), own("Add", f.node("Sqrt", [v2]), least));
    return [own("Sub", keep === undefined ? p! : own("Mul", p!, keep), step), m2, v2];
  });
}

function crossEntropy(e: Emission): string[] {
  const [logits, ids, weights] = e.ins() as [string, string, string];
  const [n] = e.shape(0) as [number];
  const logs = e.node("LogSoftmax", [logits], { axis: -1 });
  const right = e.reshape(e.node("GatherElements", [logs, e.reshape(ids, [n, 1])], { axis: 1 }), [n]);
  const sum = e.node("ReduceSum", [e.node("Mul", [right, weights]), e.list([0])], { keepdims: 0 });
  return [e.node("Neg", [sum]), logs];
}

function crossEntropyGradient(e: Emission): string {
  const [dy, logs, ids, weights] = e.ins() as [string, string, string, string];
  const [n, W] = e.shape(1) as [number, number];
  const hot = e.node("Equal", [
    e.reshape(ids, [n, 1]),
    e.constant(
      Array.from({ length: W }, (_, i) => i),
      [1, W],
      "int32",
    ),
  ]);
  const surplus = e.node("Sub", [e.node("Exp", [logs]), e.cast(hot, "float32")]);
  return e.node("Mul", [surplus, e.reshape(e.node("Mul", [weights, dy]), [n, 1])]);
}

/** Kernels that only this backend has; lib/engine/ort/ops uses them where they exist. */
export const fusedKernels: KernelTable = {
  /** See ops/adamw.ts for the formula. */
  AdamW: define<object, AdamWAttrs>(
    ({ param, grad, m, v, lr, beta1, beta2, eps, correction1, correction2, weightDecay, gradScale }) => {
      const out = { shape: param!.shape, dtype: "float32" as const };
      return {
        ins: given(param, grad, m, v, lr, beta1, beta2, eps, correction1, correction2, weightDecay, gradScale),
        outs: [out, out, out],
        attrs: { decays: weightDecay != null, scaled: gradScale != null },
      };
    },
    adamw,
  ),
  /** Outputs y, the rows' means and 1/√(variance + eps). */
  LayerNorm: define<NormAttrs, NormAttrs>(
    ({ x, gamma, beta }, { eps }) => {
      const row = { shape: perRow(x!), dtype: "float32" as const };
      return { ins: given(x, gamma, beta), outs: [{ shape: x!.shape, dtype: "float32" }, row, row], attrs: { eps } };
    },
    (e, { eps }) => {
      const [x, gamma, beta] = e.ins();
      const inputs = [x!, gamma ?? ones(e), ...(beta === undefined ? [] : [beta])];
      return e.graph.nodes("LayerNormalization", inputs, { axis: -1, epsilon: { float: eps } }, 3);
    },
  ),
  LayerNormGrad: define<object, { scaled: boolean }>(
    ({ dy, x, mean, inverse, gamma }) => {
      const out = { shape: x!.shape, dtype: "float32" as const };
      const weight = { shape: x!.shape.slice(-1), dtype: "float32" as const };
      return {
        ins: given(dy, x, mean, inverse, gamma),
        outs: gamma == null ? [out] : [out, weight, weight],
        attrs: { scaled: gamma != null },
      };
    },
    (e, { scaled }) => {
      const hat = e.node("Mul", [e.node("Sub", [e.in(1), e.in(2)]), e.in(3)]);
      return normGradient(e, hat, e.in(3), true, scaled);
    },
  ),
  /** Outputs y and 1/√(mean square + eps). */
  RmsNorm: define<NormAttrs, NormAttrs>(
    ({ x, gamma }, { eps }) => ({
      ins: given(x, gamma),
      outs: [
        { shape: x!.shape, dtype: "float32" },
        { shape: perRow(x!), dtype: "float32" },
      ],
      attrs: { eps },
    }),
    (e, { eps }) => {
      const [x, gamma] = e.ins();
      return e.graph.nodes(
        "SimplifiedLayerNormalization",
        [x!, gamma ?? ones(e)],
        { axis: -1, epsilon: { float: eps }, stash_type: 1 },
        2,
      );
    },
  ),
  RmsNormGrad: define<object, { scaled: boolean }>(
    ({ dy, x, inverse, gamma }) => {
      const out = { shape: x!.shape, dtype: "float32" as const };
      return {
        ins: given(dy, x, inverse, gamma),
        outs: gamma == null ? [out] : [out, { shape: x!.shape.slice(-1), dtype: "float32" as const }],
        attrs: { scaled: gamma != null },
      };
    },
    (e, { scaled }) => normGradient(e, e.node("Mul", [e.in(1), e.in(2)]), e.in(2), false, scaled),
  ),
  /** See ops/rotary.ts. */
  Rotary: define<{ back: boolean }, { back: boolean }>(
    ({ x, cos, sin }, { back }) => ({
      ins: [x!, cos!, sin!],
      outs: [{ shape: x!.shape, dtype: "float32" }],
      attrs: { back },
    }),
    rotary,
  ),
  Gelu: define<{ form: GeluForm }, { form: GeluForm }>(
    ({ x }, { form }) => ({ ins: [x!], outs: [{ shape: x!.shape, dtype: "float32" }], attrs: { form } }),
    (e, { form }) => e.contrib(form === "exact" ? "Gelu" : "FastGelu", [e.in(0)]),
  ),
  GeluGrad: define<{ form: GeluForm }, { form: GeluForm }>(
    ({ dy, x }, { form }) => ({ ins: [dy!, x!], outs: [{ shape: x!.shape, dtype: "float32" }], attrs: { form } }),
    (e, { form }) => {
      const slope = form === "exact" ? geluSlope : tanhGeluSlope;
      return inPieces(e, e.ins(), e.shape(0), (f, [dy, x]) => [f.node("Mul", [dy!, slope(f, x!)])]);
    },
  ),
  /** Outputs y and SiLU(gate). */
  SwiGlu: define<object, object>(
    ({ gate, up }) => ({
      ins: [gate!, up!],
      outs: [gate!, gate!].map(({ shape }) => ({ shape, dtype: "float32" })),
      attrs: {},
    }),
    (e) => {
      const silu = e.node("Mul", [e.in(0), e.node("Sigmoid", [e.in(0)])]);
      return [e.node("Mul", [silu, e.in(1)]), silu];
    },
  ),
  SwiGluGrad: define<object, object>(
    ({ dy, gate, up, y, silu }) => ({
      ins: [dy!, gate!, up!, y!, silu!],
      outs: [gate!, gate!].map(({ shape }) => ({ shape, dtype: "float32" })),
      attrs: {},
    }),
    swiGluGradient,
  ),
  /** Outputs the loss and the logarithms of the probabilities. */
  CrossEntropy: define<object, object>(
    ({ logits, ids, weights }) => ({
      ins: [logits!, ids!, weights!],
      outs: [
        { shape: [], dtype: "float32" },
        { shape: logits!.shape, dtype: "float32" },
      ],
      attrs: {},
    }),
    crossEntropy,
  ),
  CrossEntropyGrad: define<object, object>(
    ({ dy, logProbabilities, ids, weights }) => ({
      ins: [dy!, logProbabilities!, ids!, weights!],
      outs: [{ shape: logProbabilities!.shape, dtype: "float32" }],
      attrs: {},
    }),
    crossEntropyGradient,
  ),
};
