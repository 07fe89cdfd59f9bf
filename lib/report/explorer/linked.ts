import { join } from "node:path";
import { writeFileAtomic } from "../../core/files";
import type { ProgressSink } from "../../core/progress";
import { chooseEngine } from "../../engine/choose";
import { storedRuns, trainedOf } from "../../runs/folder";
import { labelOf, type ResultRow } from "../../runs/row";
import { mainGroup } from "../../studies/groups";
import { keptAnswers } from "../figure-set";
import type { PageLink } from "../sections";
import { answersOfRuns } from "./run-answers";
import { attentionOfRuns } from "./run-attention";

/** Scenes of the page of attention. */
const attentionScenes = 6;

/** Answers on dev rooms: test rooms are looked at once a run, by its study. */
const isShown = (row: ResultRow): boolean =>
  row.study === "table5" && row.split === "val" && keptAnswers(row) !== undefined;

/** The full model and the ablation that costs most, of one seed; the first alone where there is no other. */
function compared(rows: readonly ResultRow[]): ResultRow[] {
  const group = mainGroup(rows.filter(isShown));
  const full = group.find((r) => labelOf(r) === "full");
  if (full === undefined) return [];
  const others = group.filter((r) => r.seed === full.seed && labelOf(r).startsWith("no-"));
  const [worst] = others.sort((a, b) => a.metrics.acc25 - b.metrics.acc25);
  return worst === undefined ? [full] : [full, worst];
}

/** A page's link, once it is written; undefined, with a line on stderr, where what it needs is not on this machine. */
async function written(folder: string, link: PageLink, make: () => Promise<string>): Promise<PageLink | undefined> {
  try {
    writeFileAtomic(join(folder, link.file), await make());
    return link;
  } catch (error) {
    process.stderr.write(`${link.file} is left out: ${(error as Error).message}\n`);
    return undefined;
  }
}

/**
 * Writes explorers beside a report: the answers of the full model against the ablation that costs most, and their
 * attention where this machine has their weights.
 */
export async function linkedExplorers(
  rows: readonly ResultRow[],
  folder: string,
  progress: ProgressSink,
): Promise<PageLink[]> {
  const chosen = compared(rows);
  if (chosen.length === 0) return [];
  const name = `${chosen.map(labelOf).join(" and ")}, seed ${chosen[0]!.seed}`;
  const evaluations = rows.filter((row) => chosen.some(({ run }) => run === row.run) && isShown(row));
  const stored = storedRuns().filter((run) => trainedOf(run.folder) !== undefined);
  const runs = chosen.flatMap(({ run }) => stored.find(({ record }) => record.id === run) ?? []);
  const links = [
    await written(folder, { name: `Answers of ${name}`, file: "explore-answers.html" }, () =>
      answersOfRuns(evaluations, { progress }),
    ),
    runs.length === 0
      ? undefined
      : await written(folder, { name: `Attention of ${name}`, file: "explore-attention.html" }, async () => {
          await chooseEngine();
          return attentionOfRuns(runs, { scenes: attentionScenes, progress });
        }),
  ];
  return links.filter((link) => link !== undefined);
}
