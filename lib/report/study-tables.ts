import type { ResultRow } from "../runs/row";
import { jobsOf } from "../studies/job";
import { costText, plannedSeeds, planOf } from "../studies/plan";
import type { Study } from "../studies/types";
import { compareRows } from "./compare";
import { computedBaselineTable } from "./computed-baselines";
import { contrastTable } from "./contrasts";
import { costTable } from "./cost-table";
import { keptAnswers } from "./figure-set";
import { type PaperTable, type PaperTableName, paperTables } from "./paper";
import { paperLayout } from "./paper-layout";
import type { Table } from "./table";

/** The paper's table that a study answers to. */
export function paperTableOf({ paperTable }: Study): PaperTable | undefined {
  return paperTable === undefined ? undefined : paperTables[paperTable as PaperTableName];
}

/** What a study as stated still has to run, and its cost. */
function toDo({ name, variants, protocol: { preset } }: Study): string[] {
  const plan = planOf(jobsOf({ study: name, preset, variants, seeds: plannedSeeds(name, preset) }));
  return plan.finished === plan.runs ? [] : [`As stated (s2mllm study ${name} --preset ${preset}): ${costText(plan)}.`];
}

/**
 * A study in the paper's own layout beside the paper's figures, a table for each group of its rows, or its contrasts
 * where the paper has no such table. What has no row is "not run", with what it would cost.
 */
export function studyTables(study: Study, rows: readonly ResultRow[]): Table[] {
  const paper = paperTableOf(study);
  const tables =
    paper === undefined
      ? [contrastTable(study, rows)]
      : paper.id === "table3"
        ? [costTable(study, rows)]
        : paperLayout(compareRows(rows, paper, keptAnswers), paper, study.variants);
  const missing = toDo(study);
  return [
    ...tables.map((table) => ({ ...table, notes: [...table.notes, ...missing] })),
    ...(study.name === "baselines" ? [computedBaselineTable(study)] : []),
  ];
}
