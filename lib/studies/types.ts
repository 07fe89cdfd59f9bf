import type { ProgressSink } from "../core/progress";
import type { ResultRow } from "../runs/row";

/** A comparison: one base preset, named variants (ablations), and the paper's table that it answers to. */
export interface Study {
  readonly name: string;
  /** What is asked, in one sentence. */
  readonly question: string;
  /** Names from config/ablations, what the others are compared with first. */
  readonly variants: readonly string[];
  /** Version of what it states before it runs; 0 where nothing is stated but the variants. Rows carry it. */
  readonly protocol: number;
  /** The paper's table, such as "table5"; absent where the paper has none. */
  readonly paperTable?: string;
}

export interface StudyRunOptions {
  readonly preset: string;
  readonly seeds: readonly number[];
  /** A subset of the study's variants; all of them when absent. */
  readonly variants?: readonly string[];
  /** Variants that must have been trained on this machine: a committed row does not count. */
  readonly retrain?: readonly string[];
  /** Overrides "a.b=3" for every run. */
  readonly set?: readonly string[];
  /** Training processes side by side, one thread each; 1 uses all cores for one run. */
  readonly processes?: number;
  readonly onProgress?: ProgressSink;
}

/** Runs what is missing, reads what is finished, and returns the rows of all of it. */
export type RunStudy = (name: string, options: StudyRunOptions) => Promise<ResultRow[]>;
