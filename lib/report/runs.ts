import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Prediction, readAnswers } from "../runs/answers";
import { describeRun, isBusy, type StoredRun, trainedOf } from "../runs/folder";
import { identityDifferences, numerics } from "../runs/identity";
import { readRows } from "../runs/results";
import { latestRows, type ResultRow } from "../runs/row";
import { changesText } from "../runs/settings";
import { type MetricsLine, readMetrics } from "../train/metrics-log";
import { boxNames, sourceOf } from "./figures/theme";
import { decimal, signed, type Table } from "./table";

const text = (key: string, label: string): Table["columns"][number] => ({ key, label });
const number = (key: string, label: string): Table["columns"][number] => ({ key, label, numeric: true });

/** The rows of a run, published or not, one for each evaluation. */
export function rowsOfRun(run: string, rows: readonly ResultRow[] = readRows()): ResultRow[] {
  const own = latestRows(rows).filter((row) => row.run === run);
  return [...new Map(own.map((row) => [`${row.split} ${row.proposals}`, row])).values()];
}

function metricsOf({ folder }: StoredRun): MetricsLine[] {
  const file = join(folder, "metrics.jsonl");
  return existsSync(file) ? readMetrics(file) : [];
}

function stateOf(run: StoredRun): string {
  const trained = trainedOf(run.folder);
  if (trained !== undefined) return `${trained.steps} steps in ${trained.seconds.toFixed(0)} s`;
  const last = metricsOf(run).at(-1);
  if (isBusy(run.folder)) return last === undefined ? "begins" : `at step ${last.step}`;
  return last === undefined ? "not begun" : `stopped after step ${last.step}`;
}

/** This machine's runs, one line each. */
export function runListTable(runs: readonly StoredRun[], old: readonly string[]): Table {
  const rows = readRows();
  return {
    title: "Runs of this machine",
    columns: [
      text("run", "run"),
      text("variant", "variant"),
      number("seed", "seed"),
      text("preset", "preset"),
      text("data", "data"),
      text("engine", "engine"),
      number("numerics", "numerics"),
      text("state", "training"),
      number("gt", "Acc@0.25, true boxes (%)"),
      number("detector", "detected boxes (%)"),
    ],
    rows: runs.map((run) => {
      const { id, variant, changes, identity, preset } = run.record;
      const own = rowsOfRun(id, rows);
      const accuracy = (boxes: ResultRow["proposals"]): string =>
        decimal(own.find((row) => row.proposals === boxes)?.metrics.acc25);
      return {
        run: id,
        variant: [variant, changesText(changes)].filter((part) => part !== "").join(", "),
        seed: String(identity.seed),
        preset,
        data: sourceOf(run.record),
        engine: [identity.engine, identity.precision].filter((part) => part !== "float32").join(", "),
        numerics: String(identity.numerics),
        state: stateOf(run),
        gt: accuracy("gt"),
        detector: accuracy("detector"),
      };
    }),
    notes: [
      ...(runs.length === 0 ? ["No run yet: s2mllm train, or s2mllm study table5."] : []),
      ...(runs.some(({ record }) => record.identity.numerics !== numerics)
        ? [`Today's numerics version is ${numerics}: runs of another one were made by code that computes otherwise.`]
        : []),
      ...(old.length === 0
        ? []
        : [
            "Not read, since made before runs had ids (remove them): " +
              `${old.slice(0, 5).join(", ")}${old.length > 5 ? ", …" : ""}.`,
          ]),
    ],
  };
}

/** A run's evaluations. */
export function runRowsTable(run: StoredRun): Table {
  const rows = rowsOfRun(run.record.id);
  const kinds = [...new Set(rows.flatMap((row) => Object.keys(row.metrics.byRelation ?? {})))];
  return {
    title: `Evaluations of ${describeRun(run.record)}`,
    columns: [
      text("study", "study"),
      text("split", "split"),
      text("boxes", "boxes"),
      number("n", "n"),
      number("acc25", "Acc@0.25 (%)"),
      number("acc50", "Acc@0.5 (%)"),
      ...kinds.map((kind) => number(kind, kind)),
    ],
    rows: rows.map((row) => ({
      study: row.study,
      split: row.split,
      boxes: boxNames[row.proposals],
      n: String(row.n),
      acc25: decimal(row.metrics.acc25),
      acc50: decimal(row.metrics.acc50),
      ...Object.fromEntries(kinds.map((kind) => [kind, decimal(row.metrics.byRelation?.[kind])])),
    })),
    notes: rows.length === 0 ? ["Not evaluated by a study yet: s2mllm eval does it for one run."] : [],
  };
}

const names = (one: StoredRun, two: StoredRun): [string, string] =>
  one.record.id === two.record.id ? [one.folder, two.folder] : [one.record.id, two.record.id];

/** In what two runs' identities differ. */
function configDifferences(one: StoredRun, two: StoredRun): Table {
  const lines = identityDifferences(one.record.identity, two.record.identity);
  return {
    title: "What they are made of",
    columns: [text("difference", `difference (there: ${names(one, two)[0]}, here: ${names(one, two)[1]})`)],
    rows: lines.map((difference) => ({ difference })),
    notes: lines.length === 0 ? ["Nothing differs."] : [],
  };
}

/** Their logged losses at the steps that both logged: at the first, at the quarters, and where they differ most. */
function lossDifferences(one: StoredRun, two: StoredRun): Table {
  const [first, second] = names(one, two);
  const theirs = new Map(metricsOf(two).map((line) => [line.step, line]));
  const shared = metricsOf(one).filter((line) => theirs.has(line.step));
  const gap = (line: MetricsLine): number => Math.abs((line.total ?? NaN) - (theirs.get(line.step)!.total ?? NaN));
  const widest = shared.reduce<MetricsLine | undefined>(
    (most, line) => (most === undefined || gap(line) > gap(most) ? line : most),
    undefined,
  );
  const quarters = [0, 0.25, 0.5, 0.75, 1].map((share) => shared[Math.round(share * (shared.length - 1))]);
  const shown = [...new Set([...quarters, widest])].flatMap((line) => line ?? []).sort((a, b) => a.step - b.step);
  return {
    title: "Loss",
    columns: [number("step", "step"), number("one", first), number("two", second), number("difference", "difference")],
    rows: shown.map((line) => {
      const [a, b] = [line.total, theirs.get(line.step)!.total];
      return {
        step: String(line.step),
        one: decimal(a, 4),
        two: decimal(b, 4),
        difference: a === undefined || b === undefined ? "" : signed(b - a, 4),
      };
    }),
    notes:
      shared.length === 0
        ? ["They logged no step in common."]
        : shared.every((line) => gap(line) === 0)
          ? [`All ${shared.length} logged steps are the same.`]
          : [],
  };
}

/** How many sentences both, one, or neither answered right. */
function answerDifferences(one: StoredRun, two: StoredRun): Table {
  const [first, second] = names(one, two);
  const notes: string[] = [];
  const rows = rowsOfRun(one.record.id).flatMap((row): Record<string, string>[] => {
    const other = rowsOfRun(two.record.id).find((r) => r.split === row.split && r.proposals === row.proposals);
    const [mine, others] = [readAnswers(row), other === undefined ? undefined : readAnswers(other)];
    if (mine === undefined || others === undefined) return [];
    const byId = new Map(others.map((answer) => [answer.queryId, answer]));
    const pairs = mine.flatMap((a): [Prediction, Prediction][] => {
      const b = byId.get(a.queryId);
      return b === undefined ? [] : [[a, b]];
    });
    const what = `${row.split}, ${boxNames[row.proposals]}`;
    if (pairs.length < Math.max(mine.length, others.length))
      notes.push(`${what}: ${mine.length} and ${others.length} sentences, ${pairs.length} of them in common.`);
    const count = (fits: (a: boolean, b: boolean) => boolean): string =>
      String(pairs.filter(([a, b]) => fits(a.iou >= 0.25, b.iou >= 0.25)).length);
    return [
      {
        what,
        n: String(pairs.length),
        both: count((a, b) => a && b),
        one: count((a, b) => a && !b),
        two: count((a, b) => !a && b),
        neither: count((a, b) => !a && !b),
        same: String(pairs.filter(([a, b]) => a.predicted === b.predicted).length),
      },
    ];
  });
  return {
    title: "Answers, right at IoU 0.25",
    columns: [
      text("what", "evaluation"),
      number("n", "sentences"),
      number("both", "both right"),
      number("one", `${first} alone`),
      number("two", `${second} alone`),
      number("neither", "neither"),
      number("same", "same box"),
    ],
    rows,
    notes: rows.length === 0 ? ["They have no evaluation in common whose answers were kept."] : notes,
  };
}

/** Two runs side by side: what they are made of, their losses, their answers. */
export function runDiffTables(one: StoredRun, two: StoredRun): Table[] {
  return [configDifferences(one, two), lossDifferences(one, two), answerDifferences(one, two)];
}
