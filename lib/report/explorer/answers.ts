import type { ProposalSource } from "../../dataloader/prepared-scenes";
import type { Violation } from "../../eval/clauses";
import type { ErrorKind } from "../../eval/errors";
import { explorerPage, type PageHead } from "./page";
import type { PageScene } from "./scene";

/** What one run answered to one sentence. */
export interface PageAnswer {
  /** Index of the picked box; -1 for "no object". */
  readonly chosen: number;
  readonly outcome: "right" | "unknown" | ErrorKind;
  /** With the right box; undefined where the right answer is not known. */
  readonly iou?: number;
  /** Class of the object under the picked box. */
  readonly pickedLabel?: string;
  /** The words that the model wrote before it picked. */
  readonly written?: string;
  /** Best boxes first: index (-1: no object) and score. */
  readonly scores: readonly (readonly [box: number, score: number])[];
  /** Score of the picked box minus the next best one's. */
  readonly margin?: number;
  /** Clauses of the sentence that the pick violates. */
  readonly violates?: readonly Violation[];
}

/** A sentence and the answers of the page's runs, in their order. */
export interface PageCase {
  readonly id: string;
  /** Which of the scene's boxes there were to choose from. */
  readonly boxes: ProposalSource;
  readonly scene: string;
  readonly sentence: string;
  readonly relation: string;
  readonly category: string;
  /** Object id of the right answer; -1 where it is not known. */
  readonly target: number;
  readonly landmarks: readonly number[];
  readonly answers: readonly PageAnswer[];
}

export interface AnswersPage extends PageHead {
  /** Names of one run or of two that are compared. */
  readonly runs: readonly string[];
  readonly cases: readonly PageCase[];
  /** Scenes whose pictures are in the page, by id; cases of others are listed without pictures. */
  readonly scenes: Readonly<Record<string, PageScene>>;
  /** Said where a case's pictures are not in the page: what makes a page that has them. */
  readonly missing?: string;
}

/** A page of answers: a list to filter and, for each, its views with boxes, the scene in 3D, scores and words. */
export function answersPage({ title, source, synthetic, ...data }: AnswersPage): string {
  return explorerPage({ title, source, synthetic }, { kind: "answers", ...data });
}
