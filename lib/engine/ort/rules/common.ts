import type { Rules } from "./rule";

/** Operations that ONNX has not, for providers that need nothing else. */
export const commonRules: Rules = {
  /** int32 quotients rounded down: doubles hold every int32 exactly. */
  IntFloorDiv: (f, { inputs: [a, b] }) =>
    f.cast(f.node("Floor", [f.node("Div", [f.cast(a!, "float64"), f.cast(b!, "float64")])]), "int32"),
};
