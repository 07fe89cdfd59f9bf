import type { Nodes, Rule, Rules } from "../graph";
import { type Attribute, ELEMENT, type ElementType } from "../onnx";
import { cosine, sine } from "./trigonometry";

const and = (f: Nodes, a: string, b: string): string => f.node("And", [a, b]);
const not = (f: Nodes, a: string): string => f.node("Not", [a]);
const less = (f: Nodes, a: string, b: string): string => f.node("Less", [a, b]);
const typeOf = (f: Nodes, name: string): ElementType => f.graph.typeOf(name);

/** Through another type and back, where an operation lacks one of its first input. */
function through(op: string, type: ElementType, instead: ElementType): Rule {
  return (f, { inputs, attributes, outputs }) => {
    if (typeOf(f, inputs[0]!) !== type) return undefined;
    const names = inputs.map((name) => (typeOf(f, name) === type ? f.cast(name, instead) : name));
    return f.graph
      .nodes(op, names, attributes, outputs)
      .map((name) => (typeOf(f, name) === instead ? f.cast(name, type) : name));
  };
}

/** Rules of one operation, the first that applies. */
const first =
  (...rules: Rule[]): Rule =>
  (f, call) => {
    for (const rule of rules) {
      const result = rule(f, call);
      if (result !== undefined) return result;
    }
    return undefined;
  };

/** alpha · a bᵀ and the like: Gemm takes transposed matrices, stacks of them are transposed first. */
const transposedProduct: Rule = (f, { inputs: [unscaled, b], attributes: { transA, transB, alpha }, ranks }) => {
  const { float: factor } = alpha as { float: number };
  const a = factor === 1 ? unscaled : f.node("Mul", [unscaled!, f.scalar(factor)]);
  if (ranks!.every((rank) => rank === 2)) return f.node("Gemm", [a!, b!], { transA: transA!, transB: transB! });
  const swapped = (name: string, rank: number): string =>
    f.transpose(
      name,
      Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i)),
    );
  return f.node("MatMul", [transA === 1 ? swapped(a!, ranks![0]!) : a!, transB === 1 ? swapped(b!, ranks![1]!) : b!]);
};

const sum: Rule = (f, { inputs }) => inputs.reduce((a, b) => f.node("Add", [a, b]));

const logSoftmax: Rule = (f, { inputs: [x], attributes: { axis } }) => {
  const over = (op: string, y: string): string => f.node(op, [y, f.list([axis as number])], { keepdims: 1 });
  const shifted = f.node("Sub", [x!, over("ReduceMax", x!)]);
  return f.node("Sub", [shifted, f.node("Log", [over("ReduceSum", f.node("Exp", [shifted]))])]);
};

const sign: Rule = (f, { inputs: [x] }) => {
  const type = typeOf(f, x!);
  const [zero, one, minus] = [0, 1, -1].map((v) => f.scalar(v, type)) as [string, string, string];
  return f.select(less(f, zero, x!), one, f.select(less(f, x!, zero), minus, zero));
};

/** Half to even. */
const round: Rule = (f, { inputs: [x] }) => {
  const up = f.node("Floor", [f.node("Add", [x!, f.scalar(0.5)])]);
  const tie = f.node("Equal", [f.node("Sub", [up, x!]), f.scalar(0.5)]);
  const halves = f.node("Mul", [up, f.scalar(0.5)]);
  const odd = not(f, f.node("Equal", [halves, f.node("Floor", [halves])]));
  const even = f.select(and(f, tie, odd), f.node("Sub", [up, f.scalar(1)]), up);
  // from 2^23 on floats are whole, and adding a half would round
  return f.select(less(f, f.node("Abs", [x!]), f.scalar(2 ** 23)), even, x!);
};

/** Neither side of 0: compilers of shaders may take x = x for true. */
const isNaN: Rule = (f, { inputs: [x] }) =>
  and(f, not(f, f.node("LessOrEqual", [x!, f.scalar(0)])), not(f, f.node("Greater", [x!, f.scalar(0)])));

const isInf: Rule = (f, { inputs: [x] }) => f.node("Equal", [f.node("Abs", [x!]), f.scalar(Infinity)]);

const or: Rule = (f, { inputs: [a, b] }) => not(f, and(f, not(f, a!), not(f, b!)));

const xor: Rule = (f, { inputs }) => not(f, f.node("Equal", inputs));

const equalBools: Rule = (f, { inputs }) =>
  typeOf(f, inputs[0]!) === "bool"
    ? f.node(
        "Equal",
        inputs.map((name) => f.cast(name, "int32")),
      )
    : undefined;

/** a − b·trunc(a/b): the sign of a. */
function truncated(f: Nodes, a: string, b: string): string {
  const quotient = f.node("Div", [a, b]);
  const whole =
    typeOf(f, a) === "int32"
      ? quotient
      : f.select(less(f, quotient, f.scalar(0)), f.node("Ceil", [quotient]), f.node("Floor", [quotient]));
  return f.node("Sub", [a, f.node("Mul", [b, whole])]);
}

/** A remainder is not 0 and has not the sign of b. */
function opposed(f: Nodes, rest: string, b: string): string {
  const zero = f.scalar(0, "int32");
  const signs = f.node("Equal", [f.cast(less(f, rest, zero), "int32"), f.cast(less(f, b, zero), "int32")]);
  return and(f, not(f, signs), not(f, f.node("Equal", [rest, zero])));
}

const mod: Rule = (f, { inputs: [a, b], attributes: { fmod } }) => {
  const rest = truncated(f, a!, b!);
  return fmod === 1 ? rest : f.select(opposed(f, rest, b!), f.node("Add", [rest, b!]), rest);
};

const intFloorDiv: Rule = (f, { inputs: [a, b] }) => {
  const quotient = f.node("Div", [a!, b!]);
  return f.select(opposed(f, truncated(f, a!, b!), b!), f.node("Sub", [quotient, f.scalar(1, "int32")]), quotient);
};

const negInt: Rule = (f, { inputs: [x] }) =>
  typeOf(f, x!) === "int32" ? f.node("Sub", [f.scalar(0, "int32"), x!]) : undefined;

const absInt: Rule = (f, { inputs: [x] }) =>
  typeOf(f, x!) === "int32" ? f.node("Max", [x!, f.node("Neg", [x!])]) : undefined;

/** Two halves of 16 bits as floats, which hold 24 bits exactly. */
const sliceInts: Rule = (f, { inputs: [x, ...bounds], attributes }) => {
  if (typeOf(f, x!) !== "int32") return undefined;
  const half = f.scalar(65536, "int32");
  const high = f.node("Div", [x!, half]);
  const low = f.node("Sub", [x!, f.node("Mul", [high, half])]);
  const [h, l] = [high, low].map((part) =>
    f.cast(f.node("Slice", [f.cast(part, "float32"), ...bounds], attributes), "int32"),
  ) as [string, string];
  return f.node("Add", [f.node("Mul", [h, half]), l]);
};

const selu: Rule = (f, { inputs: [x] }) => {
  // the constants of Klambauer et al. 2017
  const [alpha, gamma] = [1.6732632423543772, 1.0507009873554805];
  const below = f.node("Mul", [f.node("Sub", [f.node("Exp", [x!]), f.scalar(1)]), f.scalar(alpha)]);
  return f.node("Mul", [f.select(less(f, f.scalar(0), x!), x!, below), f.scalar(gamma)]);
};

/** log(x + √(x − 1)·√(x + 1)); the provider's own gives NaN. */
const acosh: Rule = (f, { inputs: [x] }) => {
  const root = (shift: number): string => f.node("Sqrt", [f.node("Add", [x!, f.scalar(shift)])]);
  return f.node("Log", [f.node("Add", [x!, f.node("Mul", [root(-1), root(1)])])]);
};

const hitsOf = (f: Nodes, hits: string, axes: string, keepdims: Attribute): string =>
  f.node("ReduceSum", [hits, axes], { keepdims });

/** The provider's own gives int64, which it cannot cast: the number of elements before the first extreme. */
const firstExtreme =
  (reduce: string): Rule =>
  (f, { inputs: [x], attributes: { axis, keepdims } }) => {
    const axes = f.list([axis as number]);
    const hits = f.cast(f.node("Equal", [x!, f.node(reduce, [x!, axes], { keepdims: 1 })]), "int32");
    const before = f.node("Equal", [
      f.node("CumSum", [hits, f.scalar(axis as number, "int64")], { exclusive: 0, reverse: 0 }),
      f.scalar(0, "int32"),
    ]);
    const first = f.node("ReduceSum", [f.cast(before, "int32"), axes], { keepdims: keepdims! });
    // nothing equals an extreme that is NaN; as in tfjs, the first element then stands
    return f.select(
      f.node("Equal", [hitsOf(f, hits, axes, keepdims!), f.scalar(0, "int32")]),
      f.scalar(0, "int32"),
      first,
    );
  };

/** int64 only exists as the last step before an operation that demands it. */
const reshape64: Rule = (f, { inputs: [x, shape], attributes }) =>
  typeOf(f, x!) === "int64" ? f.cast(f.node("Reshape", [f.graph.castOf(x!)!, shape!], attributes), "int64") : undefined;

const sameType: Rule = (f, { inputs: [x], attributes: { to } }) => (ELEMENT[typeOf(f, x!)] === to ? x! : undefined);

const identityBool: Rule = (f, { inputs: [x] }) => (typeOf(f, x!) === "bool" ? and(f, x!, x!) : undefined);

/** y from the provider, 1/√(mean square + eps) apart from it: its own second output is never written. */
const rmsNorm: Rule = (f, { inputs, attributes, outputs }) => {
  if (outputs === 1) return undefined;
  const [x] = inputs as [string];
  const square = f.node("ReduceMean", [f.node("Mul", [x, x]), f.list([-1])], { keepdims: 1 });
  const { float: eps } = attributes.epsilon as { float: number };
  return [
    f.node("SimplifiedLayerNormalization", inputs, attributes),
    f.node("Reciprocal", [f.node("Sqrt", [f.node("Add", [square, f.scalar(eps)])])]),
  ];
};

const prelu: Rule = (f, { inputs: [x, slope] }) => f.select(less(f, x!, f.scalar(0)), f.node("Mul", [slope!, x!]), x!);

/** What ONNX Runtime's WebGPU provider lacks or leaves to the CPU. */
export const webgpuRules: Rules = {
  FusedMatMul: transposedProduct,
  Sum: sum,
  LogSoftmax: logSoftmax,
  Sign: sign,
  Round: round,
  IsNaN: isNaN,
  IsInf: isInf,
  Or: or,
  Xor: xor,
  Equal: equalBools,
  Mod: mod,
  IntFloorDiv: intFloorDiv,
  Neg: negInt,
  Abs: absInt,
  Slice: first(sliceInts, through("Slice", "bool", "float32")),
  Concat: through("Concat", "bool", "int32"),
  Transpose: through("Transpose", "bool", "int32"),
  Split: through("Split", "bool", "int32"),
  GatherND: through("GatherND", "bool", "int32"),
  Identity: identityBool,
  Cast: sameType,
  Reshape: reshape64,
  ArgMax: firstExtreme("ReduceMax"),
  ArgMin: firstExtreme("ReduceMin"),
  Selu: selu,
  Acosh: acosh,
  PRelu: prelu,
  SimplifiedLayerNormalization: rmsNorm,
  Sin: sine,
  Cos: cosine,
  Tan: (f, { inputs }) => f.node("Div", [f.node("Sin", inputs), f.node("Cos", inputs)]),
};
