import type { PresetName } from "../config/presets";
import type { ProgressSink } from "../core/progress";
import type { RelationKind } from "../datasets/scene";
import type { ResultRow } from "../runs/row";
import type { Board } from "./board";
import type { EvaluationName } from "./evaluations";

/** An arm, what it is compared with, and which way the primary metric is expected to move. */
export interface Contrast {
  readonly arm: string;
  readonly against: string;
  /** "open": no expectation; both directions and equivalence are tested alike. */
  readonly expected: "lower" | "higher" | "within" | "open";
}

/** The one number that decides: Acc@0.25 of some sentences. */
export interface PrimaryMetric {
  readonly evaluation: EvaluationName;
  readonly proposals: ResultRow["proposals"];
  /** "relations": every kind but plain attributes. */
  readonly sentences: "all" | "relations" | RelationKind;
}

/** What a study states before it runs. A change after runs began raises the version: rows carry it. */
export interface Protocol {
  readonly version: number;
  /** Runs of another preset, or with values changed by hand, are first looks: their rows carry version 0. */
  readonly preset: PresetName;
  /** What is expected and why; what the result could be otherwise. */
  readonly hypothesis: string;
  readonly contrasts: readonly Contrast[];
  readonly primary: PrimaryMetric;
  /** Numbers of seeds at which it is looked; a contrast that is undecided at one goes on to the next. */
  readonly looks: readonly number[];
  /** Percentage points; smaller differences are of no interest. */
  readonly smallestEffect: number;
  /** What would show that the comparison itself is at fault. */
  readonly controls: readonly string[];
  /** What each run is evaluated on. */
  readonly evaluations: readonly EvaluationName[];
}

/** A comparison of named variants, and the paper's table that it answers to. */
export interface Study {
  readonly name: string;
  /** What is asked, in one sentence. */
  readonly question: string;
  /** Names from config/ablations, several joined by "+"; what the others are compared with first. */
  readonly variants: readonly string[];
  readonly protocol: Protocol;
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
  /** Ends after so many minutes: running ones keep a checkpoint, and a further call goes on. */
  readonly minutes?: number;
  /** Runs only every `of`-th run, from the `index`-th on (0-based): what one task of a job array does. */
  readonly part?: { readonly index: number; readonly of: number };
  /** Told of the state of all runs whenever it changes. */
  readonly onBoard?: (board: Board) => void;
  readonly onProgress?: ProgressSink;
}
