import { UserError } from "../core/errors";

/**
 * `count` positions spread evenly over `total` frames: trunc(linspace(0, total - 1, count)). Positions repeat when
 * there are
 * fewer frames than asked for, as in the released code (paper.md 2.1.2).
 */
export function uniformFrames(total: number, count: number): number[] {
  if (total < 1 || count < 1)
    throw new UserError(`uniform sampling needs at least one frame, got ${count} of ${total}`);
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.floor((i * (total - 1)) / (count - 1))));
}
