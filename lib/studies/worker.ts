import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { S2Config } from "../config/schema";
import { serveParent } from "../core/child";
import { writeFileAtomic } from "../core/files";
import type { Progress, ProgressSink } from "../core/progress";
import { inProject, projectRoot } from "../core/root";
import { readScanRefer } from "../datasets/scanrefer";
import { chooseEngine } from "../engine/choose";
import { predict, type Answer } from "../eval/predict";
import { boundsOf, classesOf, scoreAnswers } from "../eval/score";
import { encodeScenes, groupByScene, loadTokenizer } from "../train/data";
import { fineTune } from "../train/fine-tune";
import { prepareScenes } from "../train/prepare";
import type { ProposalSource, SceneCache } from "../train/scene-cache";
import { configHash, jobConfig, type Job } from "./job";
import { predictionsFile, type Prediction, type ResultRow } from "./row";

/** Commit of the project's files, with "+" when they were changed since; "unknown" outside a checkout. */
function commitOf(): string {
  try {
    const git = (...args: string[]): string => execFileSync("git", args, { cwd: projectRoot(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return git("rev-parse", "--short=10", "HEAD") + (git("status", "--porcelain", "--untracked-files=no", "lib") === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

/** Folder of a run's log, checkpoint and weights. */
export function runFolder(job: Job): string {
  return inProject("data", "runs", job.study, `${job.preset}-${job.variant}-s${job.seed}-${configHash(job)}`);
}

function toPrediction(answer: Answer): Prediction {
  const { query, chosen, iou, scores } = answer;
  return {
    queryId: query.id, sceneId: query.sceneId, category: query.category, kind: query.relation ?? "other", target: query.targetId,
    predicted: chosen, iou: Number(iou.toFixed(4)), scores: scores.map((s) => Number(s.toFixed(3))), description: query.description, anchors: [...query.anchorIds],
  };
}

function folderName(config: S2Config): string {
  return `${basename(dirname(config.data.folder))}/${basename(config.data.folder)}`;
}

async function runJob(job: Job, progress: ProgressSink, stop: AbortSignal): Promise<ResultRow[]> {
  const config = jobConfig(job);
  const { engine } = await chooseEngine();
  const cache = await prepareScenes(config, progress);
  const tokenizer = loadTokenizer(config);
  const data = inProject(config.data.folder);
  const group = (split: "train" | "val") => {
    const scenes = cache.scenes(split);
    return groupByScene(scenes, readScanRefer(join(data, `ScanRefer_filtered_${split}.json`), new Set(scenes.map((s) => s.id))));
  };
  const { scenes, prompt } = encodeScenes(group("train"), tokenizer, config);
  const folder = runFolder(job);
  const name = `${job.variant} seed ${job.seed}`;
  const { parameters, seconds } = await fineTune({ config, cache, scenes, prompt, folder, name, progress, signal: stop });
  const test = group("val");
  const classOf = classesOf(join(data, "scannetv2-labels.combined.tsv"));
  const sources: ProposalSource[] = hasDetections(cache) ? ["gt", "detector"] : ["gt"];
  return sources.map((source) => {
    const answers = predict(parameters, config, cache, test, tokenizer, { source, progress: (p) => progress({ ...p, task: `${name}, ${p.task}` }) });
    const row: ResultRow = {
      study: job.study, variant: job.variant, preset: job.preset, seed: job.seed, data: folderName(config), dataFingerprint: cache.index.dataFingerprint,
      config: configHash(job), synthetic: existsSync(join(data, "rooms.json")), commit: commitOf(), engine, frames: config.data.frames, proposals: source,
      n: answers.length, seconds: Number(seconds.toFixed(1)), metrics: scoreAnswers(answers, classOf), ...boundsOf(test, source),
    };
    writeFileAtomic(predictionsFile(row), gzipSync(JSON.stringify(answers.map(toPrediction))));
    return row;
  });
}

function hasDetections(cache: SceneCache): boolean {
  return cache.scenes("val").every((s) => s.entry.proposals.length > 0);
}

serveParent<Job, Progress, ResultRow[]>(runJob);
