import type { Dtype } from "../ir";
import type { Emission } from "../lower/emission";
import { define, dtypeOf, type Kernel, type KernelTable } from "./kernel";

type Formula<A> = (e: Emission, x: string, attrs: A) => string;

/** An elementwise kernel on floats; integers are converted first. */
function onFloats<A extends object = object>(formula: Formula<A>): Kernel {
  return define<A, A>(
    ({ x }, attrs) => ({ ins: [x!], outs: [{ shape: x!.shape, dtype: "float32" }], attrs: attrs ?? ({} as A) }),
    (e, attrs) => formula(e, e.dtype(0) === "float32" ? e.in(0) : e.cast(e.in(0), "float32"), attrs),
  );
}

/** An elementwise kernel that keeps its input's type. */
function keeping(formula: Formula<object>, as?: Dtype): Kernel {
  return define<object, object>(
    ({ x }) => ({ ins: [x!], outs: [{ shape: x!.shape, dtype: as ?? dtypeOf(x!) }], attrs: {} }),
    (e, attrs) => formula(e, e.in(0), attrs),
  );
}

const plain = (op: string): Kernel => onFloats((e, x) => e.node(op, [x]));

/** log(1 + x) without losing small x: log(u)·x/(u−1) with u = 1 + x rounded (Kahan). */
function log1p(e: Emission, x: string): string {
  const one = e.scalar(1);
  const u = e.node("Add", [x, one]);
  const exact = e.node("Div", [e.node("Mul", [e.node("Log", [u]), x]), e.node("Sub", [u, one])]);
  const log = e.node("Log", [u]);
  // Where u is 1 the quotient is 0/0; far from 0 the plain logarithm is exact and never inf/inf.
  const small = e.node("Less", [e.node("Abs", [x]), e.scalar(0.5)]);
  return e.select(e.node("Equal", [u, one]), x, e.select(small, exact, log));
}

/** exp(x) − 1 without losing small x: (u−1)·x/log(u) with u = exp(x) rounded (Kahan). */
function expm1(e: Emission, x: string): string {
  const one = e.scalar(1);
  const u = e.node("Exp", [x]);
  const less = e.node("Sub", [u, one]);
  const exact = e.node("Div", [e.node("Mul", [less, x]), e.node("Log", [u])]);
  const small = e.node("Less", [e.node("Abs", [x]), e.scalar(0.5)]);
  return e.select(e.node("Equal", [u, one]), x, e.select(small, exact, less));
}

function finite(e: Emission, x: string): string {
  return e.node("Not", [e.node("Or", [e.node("IsInf", [x]), e.node("IsNaN", [x])])]);
}

const test = (formula: (e: Emission, x: string) => string): Kernel =>
  define<object, object>(
    ({ x }) => ({ ins: [x!], outs: [{ shape: x!.shape, dtype: "bool" }], attrs: {} }),
    (e) => formula(e, e.dtype(0) === "float32" ? e.in(0) : e.cast(e.in(0), "float32")),
  );

export const unaryKernels: KernelTable = {
  ...Object.fromEntries(
    [
      "Exp",
      "Log",
      "Sqrt",
      "Reciprocal",
      "Tanh",
      "Erf",
      "Sigmoid",
      "Sin",
      "Cos",
      "Tan",
      "Asin",
      "Acos",
      "Atan",
      "Sinh",
      "Cosh",
      "Asinh",
      "Acosh",
      "Atanh",
      "Softplus",
      "Elu",
      "Selu",
    ].map((name) => [name, plain(name)]),
  ),
  Floor: plain("Floor"),
  Ceil: plain("Ceil"),
  // Half to even, as tfjs.
  Round: plain("Round"),
  Rsqrt: onFloats((e, x) => e.node("Reciprocal", [e.node("Sqrt", [x])])),
  Log1p: onFloats(log1p),
  Expm1: onFloats(expm1),
  Step: onFloats<{ alpha: number }>((e, x, { alpha }) => {
    const step = e.select(e.node("Greater", [x, e.scalar(0)]), e.scalar(1), e.scalar(alpha));
    return e.select(e.node("IsNaN", [x]), x, step);
  }),
  LeakyRelu: onFloats<{ alpha: number }>((e, x, { alpha }) => e.node("LeakyRelu", [x], { alpha: { float: alpha } })),
  ClipByValue: onFloats<{ clipValueMin: number; clipValueMax: number }>((e, x, { clipValueMin, clipValueMax }) =>
    e.node("Clip", [x, e.scalar(clipValueMin), e.scalar(clipValueMax)]),
  ),
  // ONNX Runtime joins Relu, not Max, to the convolution before it
  Relu: keeping((e, x) =>
    e.dtype(0) === "float32" ? e.node("Relu", [x]) : e.node("Max", [x, e.scalar(0, e.dtype(0))]),
  ),
  Relu6: keeping((e, x) => e.node("Min", [e.node("Max", [x, e.scalar(0, e.dtype(0))]), e.scalar(6, e.dtype(0))])),
  Neg: keeping((e, x) => e.node("Neg", [x])),
  Abs: keeping((e, x) => e.node("Abs", [x])),
  Sign: keeping((e, x) => e.node("Sign", [x])),
  Square: keeping((e, x) => e.node("Mul", [x, x])),
  LogicalNot: keeping((e, x) => e.node("Not", [x])),
  IsNan: test((e, x) => e.node("IsNaN", [x])),
  IsInf: test((e, x) => e.node("IsInf", [x])),
  IsFinite: test(finite),
  EluGrad: define<object, object>(
    ({ dy, y }) => ({ ins: [dy!, y!], outs: [{ shape: y!.shape, dtype: "float32" }], attrs: {} }),
    (e) => {
      const [dy, y] = e.loose() as [string, string];
      return e.node("Mul", [dy, e.node("Min", [e.node("Add", [y, e.scalar(1)]), e.scalar(1)])]);
    },
  ),
  Cast: define<{ dtype: Dtype }, { dtype: Dtype }>(
    ({ x }, { dtype }) => {
      if (dtype === x!.dtype) return { share: x!, shape: x!.shape };
      if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") return undefined;
      return { ins: [x!], outs: [{ shape: x!.shape, dtype }], attrs: { dtype } };
    },
    (e, { dtype }) => e.cast(e.in(0), dtype),
  ),
};
