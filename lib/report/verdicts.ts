import type { ComparisonRow } from "./compare";
import { type PaperTable, paperValue } from "./paper";
import { signed } from "./table";

/** What the runs say of one component of the model. */
export interface ComponentVerdict {
  /** Such as "Position encoding". */
  readonly component: string;
  /** The verdict in a few words, such as "matters". */
  readonly verdict: string;
  /** The numbers behind it, in one sentence. */
  readonly text: string;
}

/** The paper's lines that leave out one component. */
const leavesOut = "without ";

function verdictOf(line: ComparisonRow | undefined): string {
  if (line?.delta === undefined) return "not run yet";
  const { verdict = "undecided (one seed)" } = line;
  if (/^lower, within/.test(verdict)) return "matters little";
  if (/^higher, within/.test(verdict)) return "costs a little";
  if (verdict.startsWith("lower")) return "matters";
  if (verdict.startsWith("higher")) return "costs accuracy";
  return verdict.startsWith("within") ? "makes no difference" : verdict;
}

/**
 * The verdict on every component that the paper's table leaves out in turn, from Acc@0.25.
 *
 * @param lines of one group of runs
 */
export function componentVerdicts(lines: readonly ComparisonRow[], paper: PaperTable): ComponentVerdict[] {
  const reference = paper.rows.find(({ variant }) => variant !== undefined && variant === paper.reference);
  const base = paperValue(reference, "acc25");
  return paper.rows.flatMap((row): ComponentVerdict[] => {
    const { label, variant } = row;
    if (variant === undefined || !label.startsWith(leavesOut)) return [];
    const name = label.slice(leavesOut.length);
    const line = lines.find((l) => l.variant === variant && l.metric === "acc25");
    const printed = paperValue(row, "acc25");
    const theirs = printed === undefined || base === undefined ? undefined : signed(printed - base, 2);
    const range =
      line?.deltaLow === undefined ? "" : `, 95 % interval ${signed(line.deltaLow)} to ${signed(line.deltaHigh)}`;
    const ours =
      line?.delta === undefined
        ? `s2mllm study ${paper.id} --variants full,${variant} runs it`
        : `Without it Acc@0.25 changes by ${signed(line.delta)} points${range}`;
    return [
      {
        component: name.charAt(0).toUpperCase() + name.slice(1),
        verdict: verdictOf(line),
        text: `${ours}${theirs === undefined ? "" : `; in the paper by ${theirs}`}.`,
      },
    ];
  });
}
