import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Dtype } from "../ir";
import { sizeOf } from "../ir";
import type { Emission } from "../lower/emission";
import { tf } from "../tf";
import { define, dtypeOf, type Kernel, type KernelTable, listOf, reshaped } from "./kernel";

function common(a: TensorInfo, b: TensorInfo): Dtype {
  return tf.upcastType(a.dtype, b.dtype) as Dtype;
}

type Formula = (e: Emission, a: string, b: string, dtype: Dtype) => string;

/**
 * A broadcasting kernel of two operands, brought to one type first.
 *
 * @param result type of the output; the operands' type unless given
 * @param computed type to compute in, by the operands' type
 */
function binary(formula: Formula, result?: Dtype, computed: (dtype: Dtype) => Dtype = (d) => d): Kernel {
  return define<object, { dtype: Dtype }>(
    ({ a, b }) => {
      const dtype = computed(common(a!, b!));
      const shape = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape);
      return { ins: [a!, b!], outs: [{ shape, dtype: result ?? dtype }], attrs: { dtype } };
    },
    (e, { dtype }) => {
      const names = e.loose();
      const [a, b] = names.map((n, i) => (e.dtype(i) === dtype ? n : e.cast(n, dtype))) as [string, string];
      return formula(e, a, b, dtype);
    },
  );
}

const node =
  (op: string): Formula =>
  (e, a, b) =>
    e.node(op, [a, b]);
// ONNX adds, multiplies and orders numbers only; tfjs also takes booleans.
const number = (d: Dtype): Dtype => (d === "bool" ? "int32" : d);

function floorDiv(e: Emission, a: string, b: string, dtype: Dtype): string {
  if (dtype === "float32") return e.cast(e.node("Floor", [e.node("Div", [a, b])]), "int32");
  return e.node("IntFloorDiv", [a, b]);
}

/** Remainder with the divisor's sign. */
function mod(e: Emission, a: string, b: string, dtype: Dtype): string {
  if (dtype !== "float32") return e.node("Mod", [a, b]);
  const rest = e.node("Mod", [a, b], { fmod: 1 });
  const wrapped = e.node("Mod", [e.node("Add", [rest, b]), b], { fmod: 1 });
  const zero = e.scalar(0);
  const opposite = e.node("Less", [e.node("Mul", [rest, b]), zero]);
  return e.select(opposite, wrapped, rest);
}

/** Angle of (b, a): atan(a/b) moved to the half plane of b. */
function atan2(e: Emission, a: string, b: string): string {
  const zero = e.scalar(0);
  const angle = e.node("Atan", [e.node("Div", [a, b])]);
  const half = e.select(e.node("Less", [a, zero]), e.scalar(-Math.PI), e.scalar(Math.PI));
  const axis = e.node("Mul", [e.node("Sign", [a]), e.scalar(Math.PI / 2)]);
  const left = e.node("Add", [angle, half]);
  return e.select(e.node("Greater", [b, zero]), angle, e.select(e.node("Less", [b, zero]), left, axis));
}

export const binaryKernels: KernelTable = {
  Add: binary(node("Add"), undefined, number),
  Sub: binary(node("Sub"), undefined, number),
  Multiply: binary(node("Mul"), undefined, number),
  RealDiv: binary(node("Div"), "float32", () => "float32"),
  Maximum: binary(node("Max"), undefined, number),
  Minimum: binary(node("Min"), undefined, number),
  Pow: binary(node("Pow"), undefined, number),
  // An int32 for floats too, as tfjs has it.
  FloorDiv: binary(floorDiv, "int32", number),
  Mod: binary(mod, undefined, number),
  Atan2: binary(atan2, "float32", () => "float32"),
  SquaredDifference: binary(
    (e, a, b) => {
      const d = e.node("Sub", [a, b]);
      return e.node("Mul", [d, d]);
    },
    undefined,
    number,
  ),
  Prelu: define<object, object>(
    ({ x, alpha }) => ({ ins: [x!, alpha!], outs: [{ shape: x!.shape, dtype: "float32" }], attrs: {} }),
    (e) => {
      const [x, alpha] = e.loose() as [string, string];
      return e.select(e.node("Less", [x, e.scalar(0)]), e.node("Mul", [alpha, x]), x);
    },
  ),
  Equal: binary(node("Equal"), "bool"),
  NotEqual: binary((e, a, b) => e.node("Not", [e.node("Equal", [a, b])]), "bool"),
  Greater: binary(node("Greater"), "bool", number),
  GreaterEqual: binary(node("GreaterOrEqual"), "bool", number),
  Less: binary(node("Less"), "bool", number),
  LessEqual: binary(node("LessOrEqual"), "bool", number),
  LogicalAnd: binary(node("And"), "bool", () => "bool"),
  LogicalOr: binary(node("Or"), "bool", () => "bool"),
  LogicalXor: binary(node("Xor"), "bool", () => "bool"),
  AddN: define<object, object>(
    (inputs) => {
      const ins = listOf(inputs);
      return { ins, outs: [{ shape: ins[0]!.shape, dtype: dtypeOf(ins[0]!) }], attrs: {} };
    },
    (e) => {
      const names = e.ins();
      return names.length > 2 && e.out.dtype === "float32"
        ? e.node("Sum", names)
        : names.reduce((a, b) => e.node("Add", [a, b]));
    },
  ),
  Select: define<object, { dtype: Dtype }>(
    ({ condition, t, e }) => {
      // tfjs lets a vector condition choose whole rows.
      const rows = condition!.shape.length === 1 && t!.shape.length > 1;
      const c = rows ? reshaped(condition!, [sizeOf(condition!.shape), ...t!.shape.slice(1).map(() => 1)]) : condition!;
      const dtype = common(t!, e!);
      return { ins: [c, t!, e!], outs: [{ shape: t!.shape, dtype }], attrs: { dtype } };
    },
    (e, { dtype }) => {
      const [c, a, b] = e.loose() as [string, string, string];
      return e.select(c, e.dtype(1) === dtype ? a : e.cast(a, dtype), e.dtype(2) === dtype ? b : e.cast(b, dtype));
    },
  ),
};
