import { resolve } from "node:path";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { stderrProgress } from "../core/progress";
import { inProject } from "../core/root";
import { chooseEngine } from "../engine/choose";
import { answersOfRuns } from "../report/explorer/run-answers";
import { attentionOfRuns } from "../report/explorer/run-attention";
import { findRun } from "../runs/folder";
import { readRows } from "../runs/results";
import { labelOf, latestRows, type ResultRow } from "../runs/row";
import { oneOf, parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "explore",
  positionals: "answers | attention RUN [RUN]",
  about:
    "Writes a page to look into one run, or to compare two: every answer in its views, in 3D and in scores; or where " +
    "patches and words look in a scene. RUN is an id or a unique beginning of one; attention needs its weights here.",
  options: {
    proposals: {
      type: oneOf("gt", "detector"),
      value: "SOURCE",
      help: "answers: of gt or detector boxes alone; of both unless given",
    },
    scene: { type: String, value: "ID", help: "attention: in this test scene; the first unless given" },
    scenes: { type: wholeNumber(1), value: "N", help: "attention: in the first N test scenes; 1 unless given" },
    sentence: {
      type: String,
      value: "WORDS",
      help: "attention: of the scene's sentence with these words; the first unless given",
    },
    html: { type: String, value: "FILE", help: "where the page goes; figures/explore-….html unless given" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/**
 * The rows of a run's answers, this machine's or committed ones, one for each kind of boxes. Of the dev rooms: test
 * rooms are looked at once a run, by its study.
 */
function rowsNamed(text: string, proposals: ResultRow["proposals"] | undefined): ResultRow[] {
  const rows = latestRows(readRows()).filter(
    (row) => row.split === "val" && (proposals === undefined || row.proposals === proposals),
  );
  const found = rows.filter((row) => row.run.startsWith(text));
  const runs = [...new Map(found.map((row) => [row.run, row])).values()];
  if (text !== "" && runs.length === 1)
    return [...new Map(found.map((row) => [row.proposals, row])).values()].sort((a) => (a.proposals === "gt" ? -1 : 1));
  const list = (runs.length > 1 ? runs : rows).map(
    (row) => `\n  ${row.run}  ${labelOf(row)}, seed ${row.seed}, ${row.preset}`,
  );
  throw new UserError(
    `${runs.length > 1 ? "several runs begin" : "no finished run begins"} with "${text}"; those with ` +
      `${proposals ?? "any"} boxes are` +
      (list.length === 0 ? " none yet (s2mllm study table5 makes some)" : [...new Set(list)].join("")),
  );
}

/** `s2mllm explore answers RUN` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [kind, ...names] = positionals;
  if (kind !== "answers" && kind !== "attention")
    throw wrongUsage(spec, `takes answers or attention, got "${kind ?? ""}"`);
  if (names.length < 1 || names.length > 2) throw wrongUsage(spec, "takes one run, or two to compare");
  for (const key of ["scene", "scenes", "sentence"] as const)
    if (kind === "answers" && values[key] !== undefined) throw wrongUsage(spec, `--${key} belongs to attention`);
  if (kind === "attention" && values.proposals !== undefined) throw wrongUsage(spec, "--proposals belongs to answers");
  if (values.scene !== undefined && values.scenes !== undefined)
    throw wrongUsage(spec, "takes --scene or --scenes, not both");
  const progress = stderrProgress();
  const page = async (): Promise<{ ids: string[]; html: string }> => {
    if (kind === "answers") {
      const rows = names.flatMap((name) => rowsNamed(name, values.proposals));
      return { ids: [...new Set(rows.map(({ run }) => run))], html: await answersOfRuns(rows, { progress }) };
    }
    const runs = names.map(findRun);
    await chooseEngine();
    const { scene: sceneId, scenes, sentence } = values;
    const html = await attentionOfRuns(runs, {
      progress,
      ...(sceneId === undefined ? {} : { sceneId }),
      ...(scenes === undefined ? {} : { scenes }),
      ...(sentence === undefined ? {} : { sentence }),
    });
    return { ids: runs.map(({ record }) => record.id), html };
  };
  const { ids, html } = await page();
  const file = resolve(values.html ?? inProject("figures", `explore-${kind}-${ids.join("-")}.html`));
  writeFileAtomic(file, html);
  const outcome = { kind, runs: ids, file, bytes: Buffer.byteLength(html) };
  if (values.json === true) printJson(outcome);
  else printLines([`${file}: ${(outcome.bytes / 1e6).toFixed(1)} MB, opens in any browser`]);
  return 0;
}
