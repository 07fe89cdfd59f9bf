import type { Numbers, Value } from "../ir";
import type { RoundedType } from "../lower/rules/common";
import type { Compiled } from "./compile";

/** Where values keep their numbers between graphs, and how a graph gets and gives them. */
export interface Memory {
  /**
   * Copies numbers into a value and brings them to its type: tfjs may give the caller's own array, which may change
   * later.
   */
  write(value: Value, numbers: Numbers): void;
  /** A copy of a value's numbers. */
  read(value: Value): Numbers;
  /** Takes a value's numbers away; their memory may be used again. */
  free(value: Value): void;
  /** Takes note that a value's numbers never change. @param type what operands of products are rounded to, if at all */
  freeze(value: Value, type: RoundedType | undefined): void;
  /** Runs a graph on the leaves' numbers and fills the roots. @param repeated it will run again on the like */
  run(compiled: Compiled, leaves: readonly Value[], roots: readonly Value[], repeated?: boolean): void;
  /** Ends a session that is no longer kept, as soon as nothing needs it. */
  end(compiled: Compiled): void;
  /** Upper bound of bytes kept for reuse. */
  limit(bytes: number): void;
  clear(): void;
}
