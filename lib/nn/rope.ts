import { rotary, tf } from "../engine/tf";
import { constant } from "./constants";

/** Cosines and signed sines of rotary positions, broadcast over heads: each float32[1 or B, L, 1, K]. */
export interface RotaryTable {
  readonly cos: tf.Tensor4D;
  /** -sin in the first half of the head, +sin in the second. */
  readonly sin: tf.Tensor4D;
}

function fill(positions: ArrayLike<number>, lead: [number, number], width: number, theta: number): RotaryTable {
  const half = width / 2;
  const cos = new Float32Array(positions.length * width);
  const sin = new Float32Array(positions.length * width);
  for (let r = 0; r < positions.length; r++) {
    for (let i = 0; i < half; i++) {
      const angle = positions[r]! * theta ** ((-2 * i) / width);
      const at = r * width + i;
      cos[at] = cos[at + half] = Math.cos(angle);
      sin[at] = -Math.sin(angle);
      sin[at + half] = Math.sin(angle);
    }
  }
  const shape: [number, number, number, number] = [...lead, 1, width];
  return { cos: tf.tensor4d(cos, shape), sin: tf.tensor4d(sin, shape) };
}

/**
 * The table of a sequence `prefix | sentence 0 | … | sentence Q-1`: every sentence's positions go on from the prefix.
 * Kept across steps.
 */
export function rotaryTable(
  prefix: number,
  sentences: number,
  tokens: number,
  width: number,
  theta: number,
): RotaryTable {
  const key = `rope/${prefix}/${sentences}/${tokens}/${width}/${theta}`;
  const positions = Array.from({ length: prefix + sentences * tokens }, (_, i) =>
    i < prefix ? i : prefix + ((i - prefix) % tokens),
  );
  const part = (name: "cos" | "sin"): tf.Tensor4D =>
    constant(`${key}/${name}`, () => {
      const table = fill(positions, [1, positions.length], width, theta);
      table[name === "cos" ? "sin" : "cos"].dispose();
      return table[name];
    });
  return { cos: part("cos"), sin: part("sin") };
}

/**
 * The rows of a kept table for positions that the pass itself computes.
 *
 * @param positions whole numbers float32[B, L], below `most`
 */
export function rotaryRows(positions: tf.Tensor2D, most: number, width: number, theta: number): RotaryTable {
  const [B, L] = positions.shape;
  const all = rotaryTable(most, 0, 0, width, theta);
  const at = positions.toInt().reshape([B * L]) as tf.Tensor1D;
  const rows = (table: tf.Tensor4D): tf.Tensor4D =>
    tf.gather(table.reshape([most, width]), at).reshape([B, L, 1, width]);
  return { cos: rows(all.cos), sin: rows(all.sin) };
}

/** The table for given positions of B sequences of L tokens (not kept). */
export function rotaryTableAt(positions: readonly (readonly number[])[], width: number, theta: number): RotaryTable {
  return fill(positions.flat(), [positions.length, positions[0]!.length], width, theta);
}

/**
 * Rotary positions in the half-split form: element i is paired with i + K/2.
 *
 * @param x float32[B, L, H, K]
 */
export function rotate(x: tf.Tensor, table: RotaryTable): tf.Tensor {
  return rotary(x, table.cos, table.sin);
}
