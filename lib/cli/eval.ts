import { writeFileAtomic } from "../core/files";
import { stderrProgress } from "../core/progress";
import type { ProposalSource } from "../dataloader/prepared-scenes";
import { chooseEngine } from "../engine/choose";
import { type Answer, predict } from "../eval/predict";
import { boundsOf, type Scores, scoreAnswers, scoreBySet } from "../eval/score";
import { openSession, type Session } from "../eval/session";
import { multipleTargets } from "../eval/splits";
import { toText } from "../report/table";
import { tableOne } from "../report/table-one";
import { findRun, recordConfig } from "../runs/folder";
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
    export: { type: String, value: "FILE", help: "write predictions as the authors' JSON lines" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** One line of the authors' prediction files: boxes as centre and full size, metres. */
function exported(answers: readonly Answer[], session: Session, source: ProposalSource): string {
  const boxes = new Map(session.cache.scenes("val").map((s) => [s.id, s]));
  const multiple = multipleTargets(
    answers.map(({ query }) => ({
      sceneId: query.sceneId,
      objectId: String(query.targetId),
      objectName: query.category,
    })),
    session.classOf,
  );
  return answers
    .map(({ query, chosen }, i) => {
      const scene = boxes.get(query.sceneId)!;
      return `${JSON.stringify({
        sample_id: query.id,
        pred_response: scene.boxes(source)[chosen],
        gt_response: scene.entry.objects[query.targetId]!.box,
        question_type: multiple[i]! ? "multiple" : "unique",
      })}\n`;
    })
    .join("");
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

/** `s2mllm eval FOLDER` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) throw wrongUsage(spec, "takes one finished run");
  const stored = findRun(name);
  const trained = recordConfig(stored.record, stored.folder);
  const config = values.data === undefined ? trained : { ...trained, data: { ...trained.data, folder: values.data } };
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
  if (values.export !== undefined) writeFileAtomic(values.export, exported(answers, session, source));
  const bySet = scoreBySet(answers, session.classOf);
  const outcome = {
    run: stored.record.id,
    folder: stored.folder,
    engine,
    proposals: source,
    synthetic: session.synthetic,
    n: answers.length,
    metrics: scoreAnswers(answers, session.classOf),
    ...(bySet === undefined ? {} : { bySet }),
    ...boundsOf(test, source),
  };
  if (values.json === true) printJson(outcome);
  else {
    const { metrics: m } = outcome;
    const scanRefer =
      !session.synthetic && test.every(({ queries }) => queries.every((q) => q.dataset === "scanrefer"));
    const withoutGround = answers.filter((answer) => answer.withoutGround !== undefined).length;
    printLines([
      `${answers.length} sentences, ${source} proposals${session.synthetic ? ", synthetic data" : ""}`,
      `Acc@0.25 ${m.acc25.toFixed(1)}  Acc@0.5 ${m.acc50.toFixed(1)}  ` +
        `(random ${outcome.baselines.random.toFixed(1)}, ` +
        `right class at random ${outcome.baselines.rightClass.toFixed(1)}, ` +
        `best possible ${outcome.upperBound.acc25.toFixed(1)})`,
      ...(withoutGround === 0
        ? []
        : [`${withoutGround} answers came without <ground>, which was put behind what the model wrote`]),
      ...Object.entries(bySet ?? {}).map(([set, { n, metrics: own }]) => `${set}: ${n} sentences, ${setLine(own)}`),
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
