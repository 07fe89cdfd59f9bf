import { gzipSync } from "node:zlib";
import { serveParent } from "../core/child";
import { writeFileAtomic } from "../core/files";
import type { Progress, ProgressSink } from "../core/progress";
import { codeVersion } from "../core/root";
import { encodeScenes } from "../dataloader/sentences";
import { chooseEngine } from "../engine/choose";
import { attentionFile, interViewAttention } from "../eval/attention";
import { type Answer, predict } from "../eval/predict";
import { boundsOf, scoreAnswers } from "../eval/score";
import { openSession } from "../eval/session";
import { configHash, type Job, jobConfig, runFolder } from "../runs/job";
import { dataName, localFolder, type Prediction, predictionsFile, type ResultRow } from "../runs/row";
import { fineTune } from "../train/fine-tune";

function toPrediction({ query, chosen, iou }: Answer): Prediction {
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
  };
}

/** Trains one job and evaluates it with every kind of proposal; leaves answers, and attention maps of the first seed. */
async function runJob(job: Job, progress: ProgressSink, stop: AbortSignal): Promise<ResultRow[]> {
  const config = jobConfig(job);
  const commit = codeVersion();
  const { engine } = await chooseEngine();
  const session = await openSession(config, progress);
  const { cache, tokenizer } = session;
  const { scenes, prompt } = encodeScenes(session.sentences("train"), tokenizer, config);
  const name = `${job.variant} seed ${job.seed}`;
  const { parameters, seconds } = await fineTune({
    config,
    cache,
    scenes,
    prompt,
    folder: runFolder(job),
    name,
    progress,
    signal: stop,
  });
  const test = session.sentences("val");
  const rows = session.sources.map((source): ResultRow => {
    const answers = predict(parameters, config, cache, test, tokenizer, {
      source,
      progress: (p) => progress({ ...p, task: `${name}, ${p.task}` }),
    });
    const row: ResultRow = {
      study: job.study,
      variant: job.variant,
      preset: job.preset,
      seed: job.seed,
      data: dataName(session.folder),
      dataFingerprint: cache.index.dataFingerprint,
      config: configHash(job),
      synthetic: session.synthetic,
      commit,
      engine,
      frames: config.data.frames,
      proposals: source,
      n: answers.length,
      seconds: Number(seconds.toFixed(1)),
      metrics: scoreAnswers(answers, session.classOf),
      ...boundsOf(test, source),
    };
    writeFileAtomic(
      predictionsFile(row, localFolder()),
      gzipSync(JSON.stringify(answers.map(toPrediction)), { level: 9 }),
    );
    return row;
  });
  if (job.variant === "full" && job.seed === 0) {
    const [first] = test;
    // a patch in the middle of the picture, where objects are
    const patch = Math.floor(cache.dims.side / 2) * cache.dims.side + Math.floor(cache.dims.side / 2);
    const maps = interViewAttention(parameters, config, cache, first!, tokenizer, session.folder, patch);
    if (maps !== undefined) {
      writeFileAtomic(
        attentionFile(localFolder(), maps.sceneId, job.variant, job.seed),
        JSON.stringify({ variant: job.variant, seed: job.seed, ...maps }),
      );
    }
  }
  return rows;
}

serveParent<Job, Progress, ResultRow[]>(runJob);
