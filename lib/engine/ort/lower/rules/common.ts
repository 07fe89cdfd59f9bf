import type { Nodes, Rule, Rules } from "../graph";
import type { ElementType } from "../onnx";

/** Operations that ONNX has not, for providers that need nothing else. */
export const commonRules: Rules = {
  /** int32 quotients rounded down: doubles hold every int32 exactly. */
  IntFloorDiv: (f, { inputs: [a, b] }) =>
    f.cast(f.node("Floor", [f.node("Div", [f.cast(a!, "float64"), f.cast(b!, "float64")])]), "int32"),
};

/**
 * In what matrix products are computed: float32 throughout; TF32, whose operands have 10 bits of mantissa in place of
 * 23; operands rounded to bfloat16 or to float16. Weights, sums outside of products and optimizer state are float32 in
 * all.
 */
export const PRECISIONS = ["float32", "tf32", "bf16", "fp16"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** The type that operands of products are rounded to. */
export const ROUNDED: Readonly<Partial<Record<Precision, RoundedType>>> = { bf16: "bfloat16", fp16: "float16" };
export type RoundedType = ElementType & ("float16" | "bfloat16");

function rounded(f: Nodes, name: string, type: RoundedType): string {
  const source = f.graph.castOf(name);
  return source !== undefined && f.graph.typeOf(source) === type ? source : f.cast(name, type);
}

/** A product of rounded operands, as float32. */
const ofRounded =
  (op: string, type: RoundedType): Rule =>
  (f, { inputs, attributes, domain, ranks }) => {
    if (f.graph.typeOf(inputs[0]!) !== "float32") return undefined;
    const operands = inputs.map((name) => rounded(f, name, type));
    return f.cast(f.graph.nodes(op, operands, attributes, 1, domain, ranks)[0]!, "float32");
  };

/** Matrix products of operands that are rounded on the way in; what a provider has rules for is left to them. */
export function withPrecision(rules: Rules, precision: Precision): Rules {
  const type = ROUNDED[precision];
  if (type === undefined) return rules;
  return {
    FusedMatMul: ofRounded("FusedMatMul", type),
    ...rules,
    MatMul: ofRounded("MatMul", type),
    Gemm: ofRounded("Gemm", type),
  };
}
