import type { Forms } from "../forms";
import type { Rule, Rules } from "./rule";

function half(f: Forms, name: string): string {
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
