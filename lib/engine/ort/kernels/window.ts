/** Margin that the last of `out` windows needs behind an axis of `size` with `near` before it: tfjs rounds in its own way. */
export function farMargin(out: number, stride: number, field: number, size: number, near: number): number {
  return Math.max(0, (out - 1) * stride + field - size - near);
}

/** Places at the far end of an axis, margins included, that no window reaches: ONNX's output_padding of the way back. */
export function unreached(out: number, stride: number, field: number, size: number, near: number, far: number): number {
  return size + near + far - ((out - 1) * stride + field);
}
