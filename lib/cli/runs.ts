import { rowsOfRun, runDiffTables, runListTable, runRowsTable } from "../report/runs";
import { toText } from "../report/table";
import { describeRun, findRun, oldRunFolders, removeRun, type StoredRun, storedRuns, trainedOf } from "../runs/folder";
import { localRows } from "../runs/results";
import { changesText } from "../runs/settings";
import { parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "runs",
  positionals: "list | show RUN | diff RUN RUN | rm RUN …",
  about:
    "The runs of this machine: every training that train, study or start began. RUN is an id, a unique beginning " +
    "of one, or a folder.\n" +
    "list: all of them. show: what one is made of, and its evaluations. diff: two runs' configurations, losses and " +
    "answers. rm: removes runs with everything of them.",
  options: {
    force: { type: Boolean, help: "rm: also those with rows that are not published" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** What it does, and how many runs each takes. */
const parts = new Map([
  ["list", { least: 0, most: 0, text: "no run" }],
  ["show", { least: 1, most: 1, text: "one run" }],
  ["diff", { least: 2, most: 2, text: "two runs" }],
  ["rm", { least: 1, most: Infinity, text: "at least one run" }],
]);

function describe(run: StoredRun): string[] {
  const { record, folder } = run;
  const { settings: _settings, ...identity } = record.identity;
  return [
    `${record.id}  ${describeRun(record)}`,
    `folder    ${folder}`,
    `begun     ${record.begun}, commit ${record.commit}`,
    `data      ${record.data}${record.synthetic ? ", synthetic" : ""}`,
    `changes   ${changesText(record.changes) || `none of ${record.variant}'s own configuration`}`,
    ...Object.entries(identity).map(([key, value]) => `${key.padEnd(10)}${value}`),
    "",
    toText(runRowsTable(run)),
  ];
}

/** What `--json` says of a run. */
function asJson({ record, folder }: StoredRun): object {
  return { ...record, folder, trained: trainedOf(folder) ?? null };
}

function remove(runs: readonly StoredRun[], force: boolean): void {
  const waiting = new Set(localRows().map((row) => row.run));
  const unpublished = runs.filter(({ record }) => waiting.has(record.id));
  if (!force && unpublished.length > 0)
    throw wrongUsage(
      spec,
      `${unpublished.map(({ record }) => record.id).join(", ")}: has rows that are published nowhere else; ` +
        "publish them (study NAME --publish), or remove them too with --force",
    );
  for (const run of runs) removeRun(run);
}

/** `s2mllm runs` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [what, ...wanted] = positionals;
  const json = values.json === true;
  const takes = what === undefined ? undefined : parts.get(what);
  if (takes === undefined)
    throw wrongUsage(
      spec,
      `takes ${[...parts.keys()].join(", ")}, got ${what === undefined ? "nothing" : `"${what}"`}`,
    );
  if (wanted.length < takes.least || wanted.length > takes.most)
    throw wrongUsage(spec, `${what} takes ${takes.text}, got ${wanted.length}`);
  const runs = wanted.map((name) => findRun(name));
  if (what === "list") {
    const all = storedRuns();
    if (json)
      printJson({
        runs: all.map(asJson),
        notRead: oldRunFolders(),
      });
    else printLines([toText(runListTable(all, oldRunFolders()))]);
  } else if (what === "show") {
    const [one] = runs as [StoredRun];
    if (json) printJson({ ...asJson(one), rows: rowsOfRun(one.record.id) });
    else printLines(describe(one));
  } else if (what === "diff") {
    const tables = runDiffTables(runs[0]!, runs[1]!);
    if (json) printJson({ runs: runs.map(({ record }) => record.id), tables });
    else printLines(tables.map(toText).join("\n\n").split("\n"));
  } else {
    remove(runs, values.force === true);
    const removed = runs.map(({ record, folder }) => ({ run: record.id, folder }));
    if (json) printJson({ removed });
    else printLines(removed.map(({ run: id, folder }) => `${id}: removed ${folder}`));
  }
  return 0;
}
