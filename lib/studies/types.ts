import type { PresetName } from "../config/presets";
import type { RelationKind } from "../datasets/scene";
import type { ResultRow } from "../runs/row";
import type { EvaluationName } from "./evaluations";

/** An arm, what it is compared with, and which way the primary metric is expected to move. */
export interface Contrast {
  readonly arm: string;
  readonly against: string;
  /** "open": no expectation; both directions and equivalence are tested alike. */
  readonly expected: "lower" | "higher" | "within" | "open";
  /** What both are asked, where it is not the primary metric's evaluation. */
  readonly on?: EvaluationName;
  /** What `against` is asked, where it is the same sentences in another way: the run as trained against φ at zero. */
  readonly againstOn?: EvaluationName;
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
