import { ShapeError } from "./errors";

/**
 * The letters used for tensor axes across the project:
 * B scenes of a batch · V views · N patches a view · D width · H heads · K head width ·
 * Q sentences a scene · T text tokens · L whole sequence · O object proposals · W vocabulary ·
 * Y X pixel rows and columns · C channels of the vision tower · R LoRA rank; digits are literal.
 */
export type Legend = Record<string, number>;

/**
 * Checks a shape against a pattern such as "B V Y X 3" and returns the sizes bound to its letters.
 *
 * @param bound letters that are already bound; they must agree
 * @throws ShapeError naming `where`, `what`, the expected and the received shape
 */
export function expectShape(
  where: string,
  what: string,
  shape: readonly number[],
  pattern: string,
  bound: Legend = {},
): Legend {
  const parts = pattern.split(" ").filter((p) => p !== "");
  const legend: Legend = { ...bound };
  const shown = parts.map((p) => (/^\d+$/.test(p) || legend[p] === undefined ? p : `${p}=${legend[p]}`)).join(", ");
  if (parts.length !== shape.length) throw new ShapeError(where, what, shown, shape);
  parts.forEach((p, i) => {
    const size = shape[i]!;
    const want = /^\d+$/.test(p) ? Number(p) : legend[p];
    if (want === undefined) legend[p] = size;
    else if (want !== size) throw new ShapeError(where, what, shown, shape);
  });
  return legend;
}
