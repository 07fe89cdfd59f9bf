import type { KernelFunc, NamedAttrMap, Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import { tf } from "tfjs-backend-ort/ops";

// @tensorflow/tfjs-node-gpu refuses margins given as numbers, gives other types than tfjs' other backends in places,
// and stops at segment ids that the others skip. Here its kernels are wrapped so that all engines agree.

const ENGINE = "tensorflow";

type Inputs = Readonly<Record<string, Tensor>>;
type Attributes = Readonly<Record<string, unknown>>;
type Wrapper<R> = (inputs: Inputs, attrs: Attributes, kernel: (inputs: Inputs, attrs: Attributes) => R) => R;

/** Replaces a kernel by `wrapper`, which may call it. What the wrapper makes besides its result is freed. */
function wrap<R extends Tensor | Tensor[] = Tensor>(name: string, wrapper: Wrapper<R>): void {
  const { kernelFunc } = tf.getKernel(name, ENGINE);
  const own: KernelFunc = ({ inputs, attrs, backend }) =>
    tf.tidy(() =>
      wrapper(
        inputs as Inputs,
        attrs as Attributes,
        (i, a) =>
          kernelFunc({ inputs: i as never, attrs: a as NamedAttrMap, backend }) as TensorInfo | TensorInfo[] as R,
      ),
    );
  tf.unregisterKernel(name, ENGINE);
  tf.registerKernel({ kernelName: name, backendName: ENGINE, kernelFunc: own });
}

type Image = [number, number, number, number];
type Pair = [number, number];

/** Windows over an NHWC image whose margins are given as numbers, as ones over another image that need no margin. */
class Fitted {
  readonly #near: Pair;
  /** Rows and columns that the windows reach, margins included. */
  readonly #reach: Pair;

  private constructor(
    readonly shape: number[],
    info: ReturnType<typeof tf.backend_util.computeConv2DInfo>,
  ) {
    this.#near = [info.padInfo.top, info.padInfo.left];
    this.#reach = [
      (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight,
      (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth,
    ];
  }

  /** Undefined for "valid" and "same", which TensorFlow knows. */
  static of(shape: number[], window: Pair, attrs: Attributes): Fitted | undefined {
    const info = tf.backend_util.computePool2DInfo(
      shape as Image,
      window,
      attrs.strides as Pair,
      (attrs.dilations as Pair | undefined) ?? 1,
      attrs.pad as number,
      attrs.dimRoundingMode as "floor" | undefined,
    );
    return info.padInfo.type === "NUMBER" || info.padInfo.type === "EXPLICIT" ? new Fitted(shape, info) : undefined;
  }

  /** Shape of the other image. */
  get fittedShape(): Image {
    return [this.shape[0]!, ...this.#reach, this.shape[3]!];
  }

  /** Pixels beyond the far margin's begin: positive where the margin is, negative where no window reaches. */
  #far(axis: 0 | 1): number {
    return this.#reach[axis] - this.#near[axis] - this.shape[axis + 1]!;
  }

  /** Adds margins of `value`, drops pixels that no window reaches. */
  fit(x: Tensor, value = 0): Tensor {
    const margin = (axis: 0 | 1): Pair => [this.#near[axis], Math.max(0, this.#far(axis))];
    const padded = tf.pad(x, [[0, 0], margin(0), margin(1), [0, 0]], value);
    return tf.slice(padded, [0, 0, 0, 0], [x.shape[0]!, ...this.#reach, x.shape[3]!]);
  }

  /** The way back, for gradients: zero where no window reaches. */
  unfit(x: Tensor): Tensor {
    const missing = (axis: 0 | 1): Pair => [0, Math.max(0, -this.#far(axis))];
    return tf.slice(tf.pad(x, [[0, 0], missing(0), missing(1), [0, 0]]), [0, ...this.#near, 0], this.shape);
  }
}

const valid = (attrs: Attributes): Attributes => ({ ...attrs, pad: "valid", dimRoundingMode: undefined });

function wrapConvolutions(): void {
  const windowOf = (filterShape: number[]): Pair => filterShape.slice(0, 2) as Pair;
  for (const name of ["Conv2D", "DepthwiseConv2dNative"]) {
    wrap(name, (inputs, attrs, kernel) => {
      const fitted = Fitted.of(inputs.x!.shape, windowOf(inputs.filter!.shape), attrs);
      return fitted === undefined
        ? kernel(inputs, attrs)
        : kernel({ ...inputs, x: fitted.fit(inputs.x!) }, valid(attrs));
    });
  }
  for (const name of ["Conv2DBackpropInput", "DepthwiseConv2dNativeBackpropInput"]) {
    wrap(name, (inputs, attrs, kernel) => {
      const fitted = Fitted.of(attrs.inputShape as number[], windowOf(inputs.filter!.shape), attrs);
      return fitted === undefined
        ? kernel(inputs, attrs)
        : fitted.unfit(kernel(inputs, { ...valid(attrs), inputShape: fitted.fittedShape }));
    });
  }
  for (const name of ["Conv2DBackpropFilter", "DepthwiseConv2dNativeBackpropFilter"]) {
    wrap(name, (inputs, attrs, kernel) => {
      const fitted = Fitted.of(inputs.x!.shape, windowOf(attrs.filterShape as number[]), attrs);
      return fitted === undefined
        ? kernel(inputs, attrs)
        : kernel({ ...inputs, x: fitted.fit(inputs.x!) }, valid(attrs));
    });
  }
}

function wrapPooling(): void {
  const fittedOf = (x: Tensor, attrs: Attributes): Fitted | undefined =>
    Fitted.of(x.shape, attrs.filterSize as Pair, attrs);
  /** Share of each window that lies inside the image. */
  const covered = (fitted: Fitted, { filterSize, strides }: Attributes): Tensor => {
    const ones = fitted.fit(tf.ones([1, ...fitted.shape.slice(1, 3), 1]));
    return tf.avgPool(ones as never, filterSize as Pair, strides as Pair, "valid");
  };
  wrap("MaxPool", (inputs, attrs, kernel) => {
    const x = inputs.x!;
    const fitted = fittedOf(x, attrs);
    const most = (of: Tensor): Tensor =>
      fitted === undefined ? kernel({ x: of }, attrs) : kernel({ x: fitted.fit(of, -Infinity) }, valid(attrs));
    // TensorFlow passes over NaN; as on the other engines it is the largest of its window
    const lost = most(tf.cast(tf.isNaN(x), "float32"));
    return tf.where(tf.greater(lost, 0), tf.scalar(NaN), most(x));
  });
  wrap("MaxPoolGrad", (inputs, attrs, kernel) => {
    const fitted = fittedOf(inputs.input!, attrs);
    if (fitted === undefined) return kernel(inputs, attrs);
    return fitted.unfit(kernel({ ...inputs, input: fitted.fit(inputs.input!, -Infinity) }, valid(attrs)));
  });
  // the mean of a window's pixels that lie inside the image
  wrap("AvgPool", (inputs, attrs, kernel) => {
    const fitted = fittedOf(inputs.x!, attrs);
    if (fitted === undefined) return kernel(inputs, attrs);
    return tf.div(kernel({ x: fitted.fit(inputs.x!) }, valid(attrs)), covered(fitted, attrs));
  });
  wrap("AvgPoolGrad", (inputs, attrs, kernel) => {
    const fitted = fittedOf(inputs.input!, attrs);
    if (fitted === undefined) return kernel(inputs, attrs);
    const dy = tf.div(inputs.dy!, covered(fitted, attrs));
    return fitted.unfit(kernel({ dy, input: tf.zeros(fitted.fittedShape) }, valid(attrs)));
  });
}

/** Makes the package's kernels agree with those of the other engines. */
export function wrapKernels(): void {
  wrapConvolutions();
  wrapPooling();
  wrap<Tensor[]>("TopK", ({ x }, attrs, kernel) => {
    if (x!.dtype !== "float32") return kernel({ x: x! }, attrs);
    // TensorFlow compares NaN with nothing; as on the other engines it counts as the largest
    const places = kernel({ x: tf.where(tf.isNaN(x!), tf.scalar(Infinity), x!) }, attrs)[1]!;
    const last = x!.rank - 1;
    return [tf.gather(x!, places, last, last), places];
  });
  wrap("FloorDiv", (inputs, attrs, kernel) => tf.cast(kernel(inputs, attrs), "int32"));
  wrap("UnsortedSegmentSum", ({ x, segmentIds }, attrs, kernel) => {
    // TensorFlow skips ids below zero and stops at those above
    const known = tf.less(segmentIds!, tf.scalar(attrs.numSegments as number, "int32"));
    return kernel({ x: x!, segmentIds: tf.where(known, segmentIds!, tf.scalar(-1, "int32")) }, attrs);
  });
}
