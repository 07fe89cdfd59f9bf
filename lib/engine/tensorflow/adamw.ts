import type { KernelFunc, Scalar, Tensor } from "@tensorflow/tfjs-core";
import { tf } from "tfjs-backend-ort/ops";

// One AdamW step of a parameter in 9 of TensorFlow's operations in place of 20, and half as many passes over it:
// ResourceApplyAdam works on variables of TensorFlow's own. Parameter and moments are assigned to three of them
// (without a copy), updated (TensorFlow first copies what is held elsewhere as well) and read (without a copy).

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** What is used of the package's backend: any operation of TensorFlow's, by name. */
interface NativeBackend {
  readonly binding: Readonly<Record<"TF_ATTR_TYPE" | "TF_ATTR_STRING" | "TF_ATTR_SHAPE" | "TF_FLOAT", number>>;
  executeMultipleOutputs(name: string, attributes: Attribute[], inputs: Tensor[], outputs: number): Tensor[];
}

type Inputs = Readonly<
  Record<"param" | "grad" | "m" | "v", Tensor> &
    Record<"lr" | "beta1" | "beta2" | "eps" | "correction1" | "correction2", Scalar> &
    Partial<Record<"weightDecay" | "gradScale", Scalar>>
>;

/** Numbers of an update that its parameters of one learning rate and decay share. */
interface Shared {
  readonly zero: Tensor;
  /** lr √c₂ / c₁ */
  readonly rate: Tensor;
  /** ε √c₂ */
  readonly eps: Tensor;
  /** 1 − lr λ */
  readonly kept?: Tensor;
}

/** Those of the update under way, or of the last one, and the numbers that each belongs to. */
let current: { readonly of: readonly (object | undefined)[]; readonly shared: Shared }[] = [];

function sharedBy({ lr, eps, correction1, correction2, weightDecay }: Inputs): Shared {
  const of = [correction2.dataId, lr.dataId, weightDecay?.dataId];
  const found = current.find((entry) => entry.of.every((id, i) => id === of[i]));
  if (found !== undefined) return found.shared;
  if (current.length > 0 && current[0]!.of[0] !== of[0]) {
    tf.dispose(current.map(({ shared }) => ({ ...shared })));
    current = [];
  }
  const root = correction2.sqrt();
  const shared = {
    zero: tf.keep(tf.scalar(0)),
    rate: tf.keep(lr.mul(root).div(correction1)),
    eps: tf.keep(eps.mul(root)),
    ...(weightDecay === undefined ? {} : { kept: tf.keep(tf.sub(1, lr.mul(weightDecay))) }),
  };
  current.push({ of, shared });
  return shared;
}

const float = ({ binding }: NativeBackend, name: string): Attribute => ({
  name,
  type: binding.TF_ATTR_TYPE,
  value: binding.TF_FLOAT,
});

/** Handles of TensorFlow's variables for a parameter and its moments; they take tensors of any shape. */
let handles: readonly Tensor[] | undefined;

function makeHandles(native: NativeBackend): readonly Tensor[] {
  const { TF_ATTR_STRING, TF_ATTR_SHAPE } = native.binding;
  return ["param", "m", "v"].map((name) => {
    const attributes = [
      float(native, "dtype"),
      { name: "shape", type: TF_ATTR_SHAPE, value: [] },
      { name: "container", type: TF_ATTR_STRING, value: "" },
      { name: "shared_name", type: TF_ATTR_STRING, value: `s2mllm/adamw/${name}` },
    ];
    return tf.keep(native.executeMultipleOutputs("VarHandleOp", attributes, [], 1)[0]!);
  });
}

/** See the backend's ops/adamw.ts for the formula. */
function adamw(inputs: Inputs, native: NativeBackend): Tensor[] {
  const { param, grad, m, v, beta1, beta2, gradScale } = inputs;
  const { zero, rate, eps, kept } = sharedBy(inputs);
  handles ??= makeHandles(native);
  const dtype = [float(native, "dtype")];
  const state = [kept === undefined ? param : param.mul(kept), m, v];
  handles.forEach((handle, i) => native.executeMultipleOutputs("AssignVariableOp", dtype, [handle, state[i]!], 0));
  // nobody else holds it: TensorFlow updates it in place
  if (kept !== undefined) state[0]!.dispose();
  const scaled = gradScale === undefined ? grad : grad.mul(gradScale);
  // the corrections are in the rate and in epsilon
  const numbers = [zero, zero, rate, beta1, beta2, eps, scaled];
  native.executeMultipleOutputs("ResourceApplyAdam", [float(native, "T")], [...handles, ...numbers], 0);
  return handles.map((handle) => native.executeMultipleOutputs("ReadVariableOp", dtype, [handle], 1)[0]!);
}

/** Registers AdamW, and the sum of squares that clipping needs, for the backend "tensorflow". */
export function registerAdamW(): void {
  const register = (kernelName: string, kernel: (inputs: never, native: NativeBackend) => Tensor[]): void => {
    const kernelFunc: KernelFunc = ({ inputs, backend }) =>
      tf.tidy(() => kernel(inputs as never, backend as NativeBackend));
    tf.registerKernel({ kernelName, backendName: "tensorflow", kernelFunc });
  };
  register("AdamW", adamw);
  // L2Loss is half of it
  register("SumSquares", ({ x }: { x: Tensor }, native) => [
    native.executeMultipleOutputs("L2Loss", [float(native, "T")], [x], 1)[0]!.mul(2),
  ]);
}
