import { mean } from "../core/averages";
import { type ErrorCase, errorKinds, errorsByRelation } from "../eval/errors";
import type { AttentionMap } from "../runs/attention";
import { labelOf, type ResultRow } from "../runs/row";
import { studies } from "../studies/definitions";
import { mainGroup } from "../studies/groups";
import type { ParameterTable } from "../weights/describe";
import type { Comparison, ComparisonRow } from "./compare";
import { boxNames, dataLabel } from "./figures/theme";
import { paperCell, table3 } from "./paper";
import { decimal, signed } from "./table";

/** What a notebook learnt: sentences whose numbers are computed from its rows. */
export interface Findings {
  readonly markdown: string;
}

const list = (sentences: readonly string[]): Findings => ({ markdown: sentences.map((s) => `- ${s}`).join("\n") });

const seedsOf = (count: number): string => `${count} seed${count === 1 ? "" : "s"}`;

/** "4.8 points lower", "0.3 points higher". */
function pointsApart(difference: number): string {
  const apart = decimal(Math.abs(difference));
  return Number(apart) === 0 ? "no different" : `${apart} points ${difference < 0 ? "lower" : "higher"}`;
}

function effectSentence({ setting, variant, ...line }: ComparisonRow): string {
  const name = setting === variant ? `\`${variant}\`` : `${setting} (\`${variant}\`)`;
  const paper = line.paperDelta === undefined ? "" : ` Paper: ${signed(line.paperDelta, 2)}.`;
  if (line.ours === undefined) return `${name}: not run yet.${paper}`;
  if (line.delta === undefined) return `${name}: ${decimal(line.ours)} % Acc@0.25, nothing to compare it with.${paper}`;
  const interval =
    line.deltaLow === undefined ? "" : ` (95 % interval ${signed(line.deltaLow)} to ${signed(line.deltaHigh)})`;
  const verdict = line.verdict === undefined ? "no verdict" : `*${line.verdict}*`;
  return `${name}: ${pointsApart(line.delta)}${interval}, ${seedsOf(line.seeds)}: ${verdict}.${paper}`;
}

function howToRun(study: string, preset: string): string {
  if (!Object.hasOwn(studies, study)) return `The study \`${study}\` is not part of this version.`;
  return (
    `No run of \`${study}\` is finished yet. \`npm run -s s2mllm -- study ${study} --preset ${preset}\` makes them, ` +
    "and so does this notebook with `train = true`."
  );
}

/** How to make a study's rows that are not there yet. */
export const missingFindings = (study: string, preset: string): Findings => list([howToRun(study, preset)]);

/** Each variant's difference to the reference at Acc@0.25, with true boxes where there are such rows. */
export function effectFindings({ lines, reference }: Comparison, study: string, preset: string): Findings {
  const all = lines.filter(({ metric }) => metric === "acc25");
  const boxes = all.some((l) => l.ours !== undefined && l.proposals === "gt") ? "gt" : "detector";
  const shown = all.filter((l) => l.proposals === boxes);
  if (shown.every((l) => l.ours === undefined)) return list([howToRun(study, preset)]);
  const base = shown.find((l) => l.variant === reference && l.ours !== undefined);
  const from =
    base === undefined
      ? []
      : [
          `The reference, \`${base.variant}\`: ${decimal(base.ours)} % Acc@0.25 (± ${decimal(base.plusMinus)}; ` +
            `${seedsOf(base.seeds)}, ${base.n} sentences, ${boxNames[boxes]}).`,
        ];
  return list([...from, ...shown.filter((l) => l !== base).map(effectSentence)]);
}

/** Mean Acc@0.25 of a variant's rows by kind of sentence. */
function byKind(rows: readonly ResultRow[]): Map<string, number> {
  const kinds = [...new Set(rows.flatMap(({ metrics }) => Object.keys(metrics.byRelation ?? {})))];
  const of = (kind: string): number[] => rows.flatMap(({ metrics }) => metrics.byRelation?.[kind as never] ?? []);
  return new Map(kinds.map((kind) => [kind, mean(of(kind))]));
}

/** Which kind of sentence each variant loses most and least of, against the reference. */
export function kindFindings(rows: readonly ResultRow[], reference = "full"): Findings {
  const group = mainGroup(rows);
  const of = (variant: string): Map<string, number> => byKind(group.filter((r) => labelOf(r) === variant));
  const base = of(reference);
  const variants = [...new Set(group.map(labelOf))].filter((v) => v !== reference);
  return list(
    variants.flatMap((variant) => {
      const changes = [...of(variant)].flatMap(([kind, value]): [string, number, number][] => {
        const before = base.get(kind);
        return before === undefined ? [] : [[kind, before, value]];
      });
      changes.sort((a, b) => a[2] - a[1] - (b[2] - b[1]));
      const [most, least] = [changes[0], changes.at(-1)];
      if (most === undefined || least === undefined) return [];
      const text = ([kind, before, value]: [string, number, number]): string =>
        `*${kind}* sentences (${decimal(before)} → ${decimal(value)} %)`;
      return `\`${variant}\` loses most on ${text(most)}, least on ${text(least)}.`;
    }),
  );
}

/** Accuracy by number of views. */
export function viewFindings(rows: readonly ResultRow[]): Findings {
  const group = mainGroup(rows);
  const counts = [...new Set(group.map(({ frames }) => frames))].sort((a, b) => a - b);
  if (counts.length === 0) return list([howToRun("table5", "nano")]);
  const accuracy = (frames: number): number =>
    mean(group.filter((r) => r.frames === frames).map(({ metrics }) => metrics.acc25));
  const values = counts.map((frames) => `${frames} views ${decimal(accuracy(frames))} %`).join(", ");
  const steps = counts.slice(1).map((frames, i) => {
    const before = counts[i]!;
    return `${signed((accuracy(frames) - accuracy(before)) / (frames - before), 2)} from ${before} to ${frames}`;
  });
  return list([`Acc@0.25: ${values} (${dataLabel(group)}).`, `Points a further view: ${steps.join(", ")}.`]);
}

/** How attention between views spreads, of one patch, mean over heads. */
export function attentionFindings({ weights, heads, views, sceneId, label, patch }: AttentionMap): Findings {
  const V = views.length;
  const at = (h: number, asking: number, asked: number): number => weights[(h * V + asking) * V + asked]!;
  const all = Array.from({ length: heads * V }, (_, i) => [Math.floor(i / V), i % V] as const);
  const own = mean(all.map(([h, v]) => at(h, v, v)));
  const most = Math.max(...weights);
  return list([
    `Patch ${patch} of ${sceneId}, run \`${label}\`: a view gives the patch of its own ${decimal(100 * own)} % of ` +
      `its weight; spread evenly over ${V} views it would be ${decimal(100 / V)} %.`,
    `The largest single weight between two views is ${decimal(100 * most)} %.`,
  ]);
}

/**
 * How a run's wrong answers divide, in all and by what the sentence states.
 *
 * @param perfect what a model without an error would score on these annotations, percent
 */
export function errorFindings(row: ResultRow, cases: readonly ErrorCase[], perfect = 100): Findings {
  const share = (count: number, of: number): string => `${count} (${decimal((100 * count) / Math.max(1, of))} %)`;
  const count = (kind: ErrorCase["kind"]): number => cases.filter((c) => c.kind === kind).length;
  const relations = Object.entries(errorsByRelation(cases)).map(([relation, counts]) => {
    const kinds = errorKinds.filter((kind) => counts[kind] > 0).map((kind) => `${counts[kind]} ${kind}`);
    return `${relation}: ${kinds.join(", ")}`;
  });
  return list([
    `${share(cases.length, row.n)} of ${row.n} answers of \`${labelOf(row)}\`, seed ${row.seed}, are wrong with ` +
      `${boxNames[row.proposals]}.`,
    `Of them ${share(count("spatial"), cases.length)} pick the right class in the wrong place, ` +
      `${share(count("semantic"), cases.length)} another class, ${share(count("detection"), cases.length)} had no ` +
      "box to pick that fits.",
    ...(relations.length === 0 ? [] : [`By what the sentence states: ${relations.join("; ")}.`]),
    ...(perfect === 100
      ? []
      : [
          `${decimal(100 - perfect)} % of the annotations are planted wrong: a model without an error would score ` +
            `${decimal(perfect)} %. ${share(count("annotation"), cases.length)} of the wrong answers are what the ` +
            "sentence means.",
        ]),
  ]);
}

/** What detected boxes cost, against true ones, for each variant that has rows of both. */
export function proposalFindings(rows: readonly ResultRow[]): Findings {
  const shown = mainGroup(rows)[0];
  const variants = [...new Set(rows.map(labelOf))];
  const of = (variant: string, boxes: ResultRow["proposals"]): ResultRow[] =>
    rows.filter(
      (r) => labelOf(r) === variant && r.proposals === boxes && r.data === shown?.data && r.split === shown.split,
    );
  const accuracy = (some: readonly ResultRow[]): number => mean(some.map(({ metrics }) => metrics.acc25));
  const sentences = variants.flatMap((variant) => {
    const [given, detected] = [of(variant, "gt"), of(variant, "detector")];
    if (given.length === 0 || detected.length === 0) return [];
    const bound = mean(detected.map(({ upperBound }) => upperBound.acc25));
    return (
      `\`${variant}\`: ${decimal(accuracy(given))} % with true boxes, ${decimal(accuracy(detected))} % with detected ` +
      `ones, which allow ${decimal(bound)} % at most: ${decimal((100 * accuracy(detected)) / bound)} % of that.`
    );
  });
  return list(sentences.length === 0 ? [howToRun("proposal-noise", "nano")] : sentences);
}

/** Accuracy on sets that were not trained on, beside the one that was. */
export function transferFindings(home: readonly ResultRow[], away: readonly ResultRow[]): Findings {
  const nameOf = (r: ResultRow): string => `${r.data}, ${r.split}, ${boxNames[r.proposals]}`;
  const sets = (rows: readonly ResultRow[]): string[] =>
    [...new Set(rows.map(nameOf))].map((name) => {
      const group = rows.filter((r) => nameOf(r) === name);
      const seeds = seedsOf(new Set(group.map((r) => r.seed)).size);
      const of = (value: (row: ResultRow) => number | undefined): string =>
        decimal(mean(group.flatMap((row) => value(row) ?? [])));
      return (
        `${name}: ${of((r) => r.metrics.acc25)} % Acc@0.25, at random ${of((r) => r.baselines.random)} %, with the ` +
        `right class at random ${of((r) => r.baselines.rightClass)} % (${seeds}).`
      );
    });
  return list([...sets(home).map((text) => `Trained on: ${text}`), ...sets(away)]);
}

/** What a training costs, in parameters and time. @param table the paper's preset */
export function costFindings(rows: readonly ResultRow[], table: ParameterTable): Findings {
  const group = mainGroup(rows);
  const seconds = (variant: string): number => mean(group.filter((r) => labelOf(r) === variant).map((r) => r.seconds));
  const [all, without] = [seconds("full"), seconds("no-sg")];
  const whole = (n: number): string => n.toLocaleString("en");
  const paper = paperCell(table3.rows[0], "trainable");
  return list([
    `${whole(table.trainable)} of ${whole(table.total)} parameters train at \`${table.preset}\` ` +
      `(${decimal((100 * table.trainable) / table.total)} %). Paper: ${paper} million.`,
    ...(Number.isNaN(all + without)
      ? [howToRun("table5", "nano")]
      : [
          `A run of \`full\` took ${all.toFixed(0)} s and one of \`no-sg\` ${without.toFixed(0)} s (means, ` +
            `${dataLabel(group)}): spatial guidance adds ${decimal((100 * (all - without)) / without)} % here, ` +
            "on machines that did other work beside. Paper: about 10 %, and nothing to answers.",
        ]),
  ]);
}
