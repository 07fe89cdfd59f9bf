import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../core/errors";
import { type ProgressSink, silent } from "../../core/progress";
import { geometryLines } from "../check";
import { checkScenes, type SceneCheck } from "../check-scene";
import { readReferIt3D } from "../referit3d";
import { readSceneList } from "../scannet";
import { readScanRefer } from "../scanrefer";
import type { Query, SceneObject } from "../scene";
import { classes } from "./classes";
import { satisfying } from "./clauses";
import { type RoomsManifest, readManifest } from "./make";
import { naturalWords } from "./natural";
import { allPhrases, words } from "./phrases";
import { statementsOf } from "./relations";
import type { ClassName } from "./shapes";

export interface CheckReport {
  readonly scenes: number;
  readonly frames: number;
  readonly skippedFrames: number;
  /** Sentences of each annotation file that is there. */
  readonly sentences: Readonly<Record<string, number>>;
  readonly proposalFiles: number;
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
  /** How well frames, meshes, boxes and neighbouring frames fit. */
  readonly geometry: readonly string[];
}

const splits = [
  {
    list: "scannetv2_train.txt",
    scanRefer: "ScanRefer_filtered_train.json",
    nr3d: "nr3d_train.csv",
    sr3d: "sr3d_train.csv",
  },
  { list: "scannetv2_val.txt", scanRefer: "ScanRefer_filtered_val.json", nr3d: "nr3d_test.csv", sr3d: "sr3d_test.csv" },
] as const;

const phrases = new Set(allPhrases);
const natural = new Set([...naturalWords, ".", ","]);
const longest = Math.max(...allPhrases.map((p) => p.split(" ").length));

/** Can the sentence be laid out with phrases of the inventory? */
export function isPhrased(sentence: string): boolean {
  const parts = sentence.split(" ");
  const reached = new Array<boolean>(parts.length + 1).fill(false);
  reached[0] = true;
  for (let i = 0; i < parts.length; i++) {
    if (!reached[i]) continue;
    for (let j = i + 1; j <= Math.min(parts.length, i + longest); j++)
      if (phrases.has(parts.slice(i, j).join(" "))) reached[j] = true;
  }
  return reached[parts.length]!;
}

/** What is wrong with a sentence about a scene; undefined when nothing is. */
function problemOf(
  query: Query,
  id: string,
  objects: readonly SceneObject[],
  manifest: RoomsManifest,
): string | undefined {
  const where = `${query.dataset} ${query.id} "${query.description}"`;
  const target = objects[query.targetId];
  if (target === undefined) return `${where}: object ${query.targetId} is not in ${id} (0 to ${objects.length - 1})`;
  if (target.label !== query.category) return `${where}: object ${query.targetId} is a ${target.label}`;
  const several = query.relation === "several";
  const known = several ? words(query.description).every((word) => natural.has(word)) : isPhrased(query.description);
  if (!known) return `${where}: not made of the known phrases`;
  if (query.relation === undefined || query.relation === "attribute") return undefined;
  const named = query.anchorIds.map((id) => objects[id]);
  if (named.some((o) => o === undefined || classes[o.label as ClassName]?.role !== "anchor"))
    return `${where}: an anchor is not there`;
  const group = objects.filter((o) => o.label === query.category);
  const { margins } = manifest.config;
  const wrong = `${where}: the scene's geometry does not give object ${query.targetId} alone`;
  if (several) {
    const there = satisfying(query.clauses ?? [], group, objects, margins);
    return there?.length === 1 && there[0] === query.targetId ? undefined : wrong;
  }
  const answers = statementsOf(
    query.relation,
    group,
    named.map((o) => o!),
    margins,
  ).filter(
    (r) =>
      r.anchors.length === query.anchorIds.length &&
      // who stands where is said by the order
      (r.kind !== "viewpoint" || r.anchors.every((id, i) => id === query.anchorIds[i])) &&
      (r.side === undefined || query.description.includes(r.side)),
  );
  return answers.length === 1 && answers[0]!.answer === (query.truth ?? query.targetId) ? undefined : wrong;
}

/**
 * Opens everything in a folder of S2-Rooms and says what is wrong: every frame is decoded, every relation
 * derived again from the meshes. Real scans are checked by `checkScans`.
 *
 * @throws UserError when the folder holds no finished S2-Rooms
 */
export async function checkData(
  folder: string,
  imageSize: number,
  progress: ProgressSink = silent,
): Promise<CheckReport> {
  const present = splits.filter((s) => existsSync(join(folder, s.list)));
  if (present.length === 0)
    throw new UserError(
      `${folder} has neither ${splits[0].list} nor ${splits[1].list}; put ScanNet's split lists there, or run ` +
        `"data make"`,
    );
  const manifest = readManifest(folder);
  if (manifest === undefined)
    throw new UserError(`${folder} holds no finished S2-Rooms (no rooms.json); run "data make" to the end first`);
  const problems: string[] = [];
  const note = (error: unknown): void => {
    if (!(error instanceof UserError)) throw error;
    problems.push(error.message);
  };
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      note(error);
      return undefined;
    }
  };
  const sentences: Record<string, number> = {};
  const looked: SceneCheck[] = [];
  let [opened, frames, skipped, proposalFiles, done] = [0, 0, 0, 0, 0];
  const lists = present.map((split) => ({ split, ids: attempt(() => readSceneList(join(folder, split.list))) ?? [] }));
  const total = lists.reduce((n, l) => n + l.ids.length, 0);
  for (const { split, ids } of lists) {
    const queries = new Map<string, Query[]>();
    const known = new Set(ids);
    const readers = {
      [split.scanRefer]: (file: string) => readScanRefer(file, known),
      [split.nr3d]: (file: string) => readReferIt3D(file, "nr3d", known),
      [split.sr3d]: (file: string) => readReferIt3D(file, "sr3d", known),
    };
    for (const [name, read] of Object.entries(readers)) {
      if (!existsSync(join(folder, name))) continue;
      const found = attempt(() => read(join(folder, name))) ?? [];
      sentences[name] = found.length;
      for (const q of found) queries.set(q.sceneId, [...(queries.get(q.sceneId) ?? []), q]);
    }
    const base = done;
    let finished = 0;
    const checks = await checkScenes({ folder, ids, imageSize, everyFrame: true }, (id) => {
      finished++;
      progress({ task: "data check", done: base + finished, total, note: id });
    });
    done += ids.length;
    for (const check of checks) {
      const { id, scene } = check;
      looked.push(check);
      problems.push(...check.problems);
      if (check.proposals !== undefined) proposalFiles++;
      if (scene === undefined) continue;
      opened++;
      frames += scene.frames;
      skipped += scene.leftOut.length;
      if (!scene.aligned) problems.push(`${id}: ${id}.txt gives no axis alignment`);
      problems.push(...scene.damaged);
      for (const q of queries.get(id) ?? []) {
        const problem = problemOf(q, id, scene.objects, manifest);
        if (problem !== undefined) problems.push(problem);
      }
    }
  }
  return {
    scenes: opened,
    frames,
    skippedFrames: skipped,
    sentences,
    proposalFiles,
    problems,
    geometry: geometryLines(folder, looked),
  };
}
