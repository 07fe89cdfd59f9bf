import { serveParent } from "../core/child";
import { UserError } from "../core/errors";
import type { Progress, ProgressSink } from "../core/progress";
import { encodeScenes, type SceneSentences } from "../dataloader/sentences";
import { chooseEngine } from "../engine/choose";
import { interViewAttention } from "../eval/attention";
import { type Answer, predict } from "../eval/predict";
import { boundsOf, scoreAnswers, unknownWords } from "../eval/score";
import { openSession, type Session } from "../eval/session";
import { answersName, bestBoxes, type Prediction, packAnswers } from "../runs/answers";
import { type AttentionMap, mapsName } from "../runs/attention";
import { costName, type RunCost } from "../runs/cost";
import { RunFolder } from "../runs/folder";
import { putRows, rowsIn, runRowsFile } from "../runs/results";
import { labelOf, type ResultRow } from "../runs/row";
import { changesOf, settingsHash } from "../runs/settings";
import { type FineTuned, fineTune } from "../train/fine-tune";
import { newRun } from "../train/identify";
import { readMetrics } from "../train/metrics-log";
import { reconShare } from "../train/signatures";
import { transitionsOf } from "../train/transitions";
import { readMaxNewTokens } from "../weights/hf-config";
import { type EvaluationName, evaluationConfig } from "./evaluations";
import { evaluationsOf, type Job, jobConfig, protocolOf } from "./job";

function toPrediction({ query, chosen, iou, scores, written, withoutGround }: Answer, boxes: number): Prediction {
  return {
    queryId: query.id,
    sceneId: query.sceneId,
    category: query.category,
    kind: query.relation ?? "other",
    target: query.targetId,
    // rounded down: an answer stays on its side of 0.25 and 0.5, so that answers give their row's accuracies
    predicted: chosen,
    iou: Math.floor(iou * 1e4) / 1e4,
    description: query.description,
    anchors: [...query.anchorIds],
    best: bestBoxes(scores, boxes),
    ...(written === undefined ? {} : { written }),
    ...(withoutGround === undefined ? {} : { withoutGround }),
    ...(query.truth === undefined ? {} : { truth: query.truth }),
  };
}

/**
 * The rows of one evaluation with every kind of proposal; answers are kept before them.
 *
 * @param session the data that are asked about, and the configuration that answers
 */
function evaluate(
  job: Job,
  name: EvaluationName,
  run: RunFolder,
  session: Session,
  trained: FineTuned,
  progress: ProgressSink,
): readonly ResultRow[] {
  const { record } = run;
  const { cache, tokenizer, config } = session;
  const test = session.sentences("val");
  const boxes = new Map(
    test.map(({ scene }) => [scene.id, { gt: scene.boxes("gt").length, detector: scene.boxes("detector").length }]),
  );
  const fingerprint = cache.index.dataFingerprint;
  const own = jobConfig(job);
  const log = readMetrics(run.file("metrics.jsonl"));
  return session.sources.map((source): ResultRow => {
    const answers = predict(trained.parameters, config, cache, test, tokenizer, {
      source,
      maxNewTokens: readMaxNewTokens(run.path),
      progress: (p) => progress({ ...p, task: `${job.variant} seed ${job.seed}, ${name}, ${p.task}` }),
    });
    const kept = answers.map((answer) => toPrediction(answer, boxes.get(answer.query.sceneId)![source]));
    run.write(answersName({ split: name, proposals: source }), packAnswers(kept));
    const { settings: _settings, data, ...identity } = record.identity;
    return {
      run: record.id,
      study: job.study,
      protocol: protocolOf(job),
      variant: job.variant,
      preset: job.preset,
      changes: changesOf(own, job.variant),
      config: settingsHash(own),
      ...identity,
      data: record.data,
      dataFingerprint: data,
      synthetic: record.synthetic,
      split: name,
      ...(fingerprint === data ? {} : { splitFingerprint: fingerprint }),
      transitions: transitionsOf(log),
      reconShare: Number(reconShare(log, own.lossWeights.recon).toFixed(1)),
      commit: record.commit,
      frames: own.data.frames,
      proposals: source,
      n: answers.length,
      ...unknownWords(answers, tokenizer),
      seconds: Number(trained.seconds.toFixed(1)),
      metrics: scoreAnswers(answers, session.classOf),
      ...boundsOf(test, source),
    };
  });
}

/** Attention maps of the first test scene. */
function keepMap(run: RunFolder, session: Session, { parameters }: FineTuned): void {
  const { cache, tokenizer, config } = session;
  const [first] = session.sentences("val");
  // a patch in the middle of the picture, where objects are
  const patch = Math.floor(cache.dims.side / 2) * cache.dims.side + Math.floor(cache.dims.side / 2);
  const map = interViewAttention(parameters, config, cache, first!, tokenizer, session.folder, patch);
  if (map === undefined) return;
  const { id, preset, identity, data, synthetic } = run.record;
  const label = labelOf({ ...run.record, config: settingsHash(config), precision: identity.precision });
  const about = { run: id, label, preset, seed: identity.seed, data, synthetic };
  run.write(`${mapsName}/${map.sceneId}.json`, JSON.stringify({ ...about, ...map } satisfies AttentionMap));
}

/** What the training, and the answers to `rows`, took. */
function keepCost(
  run: RunFolder,
  engine: string,
  { steps, seconds }: FineTuned,
  rows: readonly ResultRow[],
  milliseconds: number,
): void {
  const threads = Number(process.env.S2_ENGINE_THREADS ?? 0);
  const cost: RunCost = {
    engine,
    ...(threads > 0 ? { threads } : {}),
    stepSeconds: seconds / steps,
    answerSeconds: milliseconds / 1000 / rows.reduce((n, row) => n + row.n, 0),
    peakMB: process.resourceUsage().maxRSS / 1024,
  };
  run.write(costName, `${JSON.stringify(cost, null, 2)}\n`);
}

/** @throws UserError where rooms speak in phrases that the preset's tokenizer has no token for */
function refuseUnknownWords(scenes: readonly SceneSentences[], { synthetic, tokenizer }: Session, job: Job): void {
  const share = tokenizer.unknownShare(scenes.flatMap(({ queries }) => queries.map((query) => query.description)));
  if (synthetic && share > 0)
    throw new UserError(
      `${(100 * share).toFixed(1)} % of the tokens of ${job.variant}'s sentences are not in the vocabulary of preset ` +
        `${job.preset}; run it with --preset nano-long, and descriptions of several clauses with --preset nano-natural`,
    );
}

/**
 * Trains one job, unless its run is trained already, and makes the evaluations that its study states and that are not
 * there yet, each with every kind of proposal; leaves answers, rows and, of the full model's first seed, an attention
 * map in the run's folder.
 *
 * @returns the run's id
 */
async function runJob(job: Job, progress: ProgressSink, stop: AbortSignal): Promise<string> {
  const config = jobConfig(job);
  const { engine } = await chooseEngine();
  const session = await openSession(config, progress);
  const run = RunFolder.open(newRun(config, job.variant, engine));
  try {
    // another command may have finished some while this one waited for its turn
    const there = rowsIn(run.file(runRowsFile)).filter((row) => row.protocol === protocolOf(job));
    const missing = evaluationsOf(job).filter((name) => !there.some((row) => row.split === name));
    if (missing.length === 0) return run.record.id;
    const train = session.sentences("train");
    refuseUnknownWords(train, session, job);
    const { scenes, prompt } = encodeScenes(train, session.tokenizer, config);
    const name = `${job.variant} seed ${job.seed}`;
    const trains = run.trained === undefined;
    const trained = await fineTune({
      config,
      cache: session.cache,
      scenes,
      prompt,
      run,
      name,
      progress,
      signal: stop,
    });
    for (const evaluation of missing) {
      const asked = evaluation === "val" ? session : await openSession(evaluationConfig(config, evaluation), progress);
      const began = performance.now();
      const rows = evaluate(job, evaluation, run, asked, trained, progress);
      putRows(run.file(runRowsFile), rows);
      if (trains && evaluation === "val") keepCost(run, engine, trained, rows, performance.now() - began);
    }
    if (job.variant === "full" && job.seed === 0) keepMap(run, session, trained);
    run.seal(run.trained!);
    return run.record.id;
  } finally {
    run.close();
  }
}

serveParent<Job, Progress, string>(runJob);
