import seedrandom from "seedrandom";

/** A seeded stream of numbers. */
export class Random {
  readonly #next: () => number;

  constructor(seed: string) {
    this.#next = seedrandom.alea(seed);
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.#next();
  }

  /** A whole number from 0 to n - 1. */
  int(n: number): number {
    return Math.floor(n * this.#next());
  }

  /** Mean 0, standard deviation 1 (Box and Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#next())) * Math.cos(2 * Math.PI * this.#next());
  }

  /** Uniform numbers for a tensor of `shape`. */
  array(shape: readonly number[], low: number, high: number): Float32Array {
    return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => this.uniform(low, high));
  }
}
