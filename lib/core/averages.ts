/** The arithmetic mean; NaN of no numbers. */
export function mean(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}

/** The mean of the numbers that are there; undefined where none is. */
export function meanOfKnown(numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((x) => x !== undefined);
  return known.length === 0 ? undefined : mean(known);
}

/** The middle number, or the mean of the two in the middle; undefined of no numbers. */
export function median(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : meanOfKnown(sorted.slice(Math.max(0, half - 1), half + 1));
}
