import { tf } from "../engine/tf";

const kept = new Map<string, tf.Tensor>();

/**
 * A tensor that depends on nothing but `key` (a mask, a table, an interpolation matrix), made once per engine and kept,
 * so that steps of the same shape neither rebuild nor upload it again. Best made from an array: where `make` computes,
 * the first step computes it along, as a graph of its own that must be compiled.
 */
export function constant<T extends tf.Tensor>(key: string, make: () => T): T {
  const id = `${tf.getBackend()}/${key}`;
  const known = kept.get(id);
  if (known !== undefined && !known.isDisposed) return known as T;
  const made = tf.keep(make());
  kept.set(id, made);
  return made;
}

/** Frees every kept constant. */
export function releaseConstants(): void {
  for (const tensor of kept.values()) tensor.dispose();
  kept.clear();
}

/** Zeros of `shape`, kept. */
export function zeros(shape: number[]): tf.Tensor {
  return constant(`zeros/${shape.join("x")}`, () => tf.tensor(new Float32Array(tf.util.sizeFromShape(shape)), shape));
}

/**
 * `x` repeated along its axes of size 1 up to `shape`. An addition of zeros: its gradient is one sum, where a tile's
 * would be a slice for each repetition.
 */
export function spread(x: tf.Tensor, shape: number[]): tf.Tensor {
  const lead = shape.map((size, axis) => (x.shape[axis] === size ? 1 : size));
  return x.add(zeros(lead));
}
