import type { AblationName } from "../config/ablations";
import { unknownName } from "../core/errors";
import type { Study } from "./types";

const table5: readonly AblationName[] = [
  "full",
  "no-sg",
  "no-mpe",
  "no-mpe-boxes",
  "no-mpe-no-anchor",
  "no-attn",
  "no-lg",
  "frames-2",
  "frames-4",
  "frames-12",
  "language-only",
];
const table8: readonly AblationName[] = ["base", "only-attn", "only-sg", "only-mpe", "only-lg"];
const additions: readonly AblationName[] = ["full", "no-shared-skip", "no-anchor-loss", "no-anchor-attention"];

/** Every study of the lab. */
export const studies = {
  table5: {
    name: "table5",
    question: "What does each component, and the number of frames, contribute?",
    protocol: 0,
    paperTable: "table5",
    variants: table5,
  },
  table8: {
    name: "table8",
    question: "What does each component bring when it is added to the base model alone?",
    protocol: 0,
    paperTable: "table8",
    variants: table8,
  },
  additions: {
    name: "additions",
    question: "Are the two additions that nano training uses needed?",
    protocol: 0,
    variants: additions,
  },
} as const satisfies Record<string, Study>;
export type StudyName = keyof typeof studies;

/** The study called `name`. @throws UserError listing the known ones */
export function studyNamed(name: string): Study {
  if (!Object.hasOwn(studies, name)) throw unknownName("study", name, Object.keys(studies));
  return studies[name as StudyName];
}

/** Version of a study's protocol. */
export function protocolOf(name: string): number {
  return studyNamed(name).protocol;
}
