import { parseConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { writeFileAtomic } from "../core/files";
import { stderrProgress } from "../core/progress";
import type { ProposalSource } from "../dataloader/prepared-scenes";
import { chooseEngine } from "../engine/choose";
import { exportLines } from "../eval/export";
import { predict } from "../eval/predict";
import { boundsOf, type Scores, scoreAnswers, scoreBySet, unknownWords } from "../eval/score";
import { openSession } from "../eval/session";
import { toText } from "../report/table";
import { tableOne } from "../report/table-one";
import { findRun, recordConfig } from "../runs/folder";
import { unknownWordsWarning } from "../runs/row";
import { requireMemory } from "../train/estimate";
import { storedParameters } from "../train/fine-tune";
import { readMaxNewTokens } from "../weights/hf-config";
import { oneOf, parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "eval",
  positionals: "RUN",
  about:
    "Evaluates the weights of a finished run on the test scenes. RUN is its id, a unique beginning of it, or its " +
    "folder.",
  options: {
    proposals: {
      type: oneOf("gt", "detector"),
      value: "SOURCE",
      help: "gt or detector; what the run's config says unless given",
    },
    data: {
      type: String,
      value: "DIR",
      help: "data set whose test scenes are asked about; the run's own unless given",
    },
    sentences: {
      type: String,
      value: "LIST",
      help: "sets to ask, such as nr3d or scanrefer,sr3d; the run's own unless given",
    },
    export: { type: String, value: "FILE", help: "write predictions as the authors' JSON lines" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** A run's configuration with the data and sentences that are asked about. */
function askedAbout(trained: S2Config, folder: string | undefined, sets: readonly string[] | undefined): S2Config {
  const data = { ...trained.data, ...(folder === undefined ? {} : { folder }) };
  if (sets === undefined) return { ...trained, data };
  const { referFilters, ...rest } = data;
  const kept = sets.some((set) => set !== "scanrefer") && referFilters !== undefined ? { referFilters } : {};
  return parseConfig({ ...trained, data: { ...rest, ...kept, sentences: sets } }, "--sentences");
}

const percents = {
  acc25: "Acc@0.25",
  acc50: "Acc@0.5",
  easy25: "easy",
  hard25: "hard",
  dep25: "view-dependent",
  indep25: "view-independent",
} as const;
const setLine = (m: Scores): string =>
  Object.entries(percents)
    .flatMap(([key, label]) => {
      const value = m[key as keyof typeof percents];
      return value === undefined ? [] : [`${label} ${value.toFixed(1)}`];
    })
    .join("  ");

/** `s2mllm eval RUN` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) throw wrongUsage(spec, "takes one finished run");
  const stored = findRun(name);
  const trained = recordConfig(stored.record, stored.folder);
  const config = askedAbout(trained, values.data, values.sentences?.split(","));
  const source: ProposalSource = values.proposals ?? config.data.proposals;
  const progress = stderrProgress();
  const { engine } = await chooseEngine();
  requireMemory(config, "answer", engine);
  const session = await openSession(config, progress);
  const { parameters } = storedParameters(stored);
  const test = session.sentences("val");
  const answers = predict(parameters, config, session.cache, test, session.tokenizer, {
    source,
    maxNewTokens: readMaxNewTokens(stored.folder),
    progress,
  });
  if (values.export !== undefined) writeFileAtomic(values.export, exportLines(answers, session, source));
  const bySet = scoreBySet(answers, session.classOf);
  const outcome = {
    run: stored.record.id,
    folder: stored.folder,
    engine,
    proposals: source,
    synthetic: session.synthetic,
    n: answers.length,
    ...unknownWords(answers, session.tokenizer),
    metrics: scoreAnswers(answers, session.classOf),
    ...(bySet === undefined ? {} : { bySet }),
    ...boundsOf(test, source),
  };
  if (values.json === true) printJson(outcome);
  else {
    const { metrics: m } = outcome;
    const [set] = new Set(answers.map(({ query }) => query.dataset));
    // ReferIt3D's own splits; ScanRefer's stand in Table 1's layout
    const only = set === undefined || set === "scanrefer" ? {} : { [set]: { n: answers.length, metrics: m } };
    const scanRefer =
      !session.synthetic && test.every(({ queries }) => queries.every((q) => q.dataset === "scanrefer"));
    const warning = unknownWordsWarning([outcome]);
    const withoutGround = answers.filter((answer) => answer.withoutGround !== undefined).length;
    printLines([
      ...(warning === undefined ? [] : [warning]),
      `${answers.length} sentences, ${source} proposals${session.synthetic ? ", synthetic data" : ""}`,
      ...(outcome.unknownWords === undefined
        ? []
        : [`${outcome.unknownWords.toFixed(1)} % of their words are not in the tokenizer's vocabulary`]),
      `Acc@0.25 ${m.acc25.toFixed(1)}  Acc@0.5 ${m.acc50.toFixed(1)}  ` +
        `(random ${outcome.baselines.random.toFixed(1)}, ` +
        `right class at random ${outcome.baselines.rightClass.toFixed(1)}, ` +
        `best possible ${outcome.upperBound.acc25.toFixed(1)})`,
      ...(withoutGround === 0
        ? []
        : [`${withoutGround} answers came without <ground>, which was put behind what the model wrote`]),
      ...Object.entries(bySet ?? only).map(([name, { n, metrics: own }]) => `${name}: ${n} sentences, ${setLine(own)}`),
      ...(scanRefer
        ? [
            "",
            toText(
              tableOne({ ...outcome, label: `${config.preset}, ${config.data.frames} frames, ${source} proposals` }),
            ),
          ]
        : []),
      ...Object.entries(m.byRelation).map(([kind, value]) => {
        const pairs = m.pairAccuracy[kind];
        const line = `${kind.padEnd(12)}${value.toFixed(1).padStart(6)}`;
        return pairs === undefined ? line : `${line}   pairs ${pairs.toFixed(1)}`;
      }),
    ]);
  }
  return 0;
}
