import type { Nodes } from "./graph";

/** Fewer pieces do not pay for the loop. */
const FEWEST = 4;

/** The largest divisor of `size` up to `most`; undefined where there would be few pieces, or far smaller ones. */
function pieceOf(size: number, most: number): number | undefined {
  if (size < FEWEST * most) return undefined;
  for (let piece = most; 2 * piece >= most; piece--) if (size % piece === 0) return piece;
  return undefined;
}

/**
 * Elementwise operations on large tensors, on the processor piece by piece: what is between the operations stays in
 * the cache. ONNX's Scan takes and gives pieces in place.
 *
 * @param inputs tensors of `shape`
 * @param body emits the operations, on whole tensors or on flat pieces of them; other names that it uses are the same
 *   for all pieces
 * @returns the names of the results, of `shape`
 */
export function inPieces(
  f: Nodes,
  inputs: readonly string[],
  shape: readonly number[],
  body: (f: Nodes, inputs: readonly string[]) => readonly string[],
): readonly string[] {
  const size = shape.reduce((n, d) => n * d, 1);
  const most = f.graph.target.piece;
  const piece = most === undefined ? undefined : pieceOf(size, most);
  if (piece === undefined) return body(f, inputs);
  const flat = inputs.map((name) => f.reshape(name, [size / piece, piece]));
  const { graph, results } = f.graph.subgraph([piece], inputs, body);
  return f.graph
    .nodes("Scan", flat, { body: { graph }, num_scan_inputs: inputs.length }, results)
    .map((name) => f.reshape(name, shape));
}
