import type { Nodes, Rule, Rules } from "../graph";

/** Operations that ONNX has not, for providers that need nothing else. */
export const commonRules: Rules = {
  /** int32 quotients rounded down: doubles hold every int32 exactly. */
  IntFloorDiv: (f, { inputs: [a, b] }) =>
    f.cast(f.node("Floor", [f.node("Div", [f.cast(a!, "float64"), f.cast(b!, "float64")])]), "int32"),
};

function half(f: Nodes, name: string): string {
  const source = f.graph.castOf(name);
  return source !== undefined && f.graph.typeOf(source) === "float16" ? source : f.cast(name, "float16");
}

/** A product of half precision operands, as float32. */
const halved =
  (op: string): Rule =>
  (f, { inputs, attributes }) => {
    if (f.graph.typeOf(inputs[0]!) !== "float32") return undefined;
    return f.cast(
      f.node(
        op,
        inputs.map((name) => half(f, name)),
        attributes,
      ),
      "float32",
    );
  };

/** Matrix products in half precision: operands are rounded on the way in, weights and sums outside stay float32. */
export function withHalfProducts(rules: Rules): Rules {
  return { ...rules, MatMul: halved("MatMul"), Gemm: halved("Gemm") };
}
