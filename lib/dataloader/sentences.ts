import { existsSync } from "node:fs";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { inProject } from "../core/root";
import type { Query } from "../datasets/scene";
import { readSentences } from "../datasets/sentences";
import type { Tokenizer } from "../io/tokenizer";
import { type EncodedSentence, encodeSentence, type SharedPrompt, sharedPrompt } from "../model/prompt";
import { openTokenizer } from "../weights/hf-config";
import { tokenizerFile } from "../weights/pretrained";
import type { PreparedScene } from "./prepared-scenes";

/** A scene with the sentences that speak of it. */
export interface SceneSentences {
  readonly scene: PreparedScene;
  readonly queries: readonly Query[];
}

/**
 * ScanRefer's files know the referred objects of a class only; "easy" and "hard" ask for all of the scene (ReferIt3D).
 */
function withWholeClass(query: Query, scene: PreparedScene): Query {
  if (query.dataset !== "scanrefer") return query;
  const all = scene.entry.objects.filter((o) => o.label === query.category).length;
  // annotations may name a class otherwise than the scan does
  return all > query.sameClass ? { ...query, sameClass: all } : query;
}

/**
 * Groups sentences by scene, in the order of the prepared scenes.
 *
 * @throws UserError for a sentence whose scene, target or anchor is not there
 */
export function groupByScene(scenes: readonly PreparedScene[], queries: readonly Query[]): SceneSentences[] {
  const byScene = new Map<string, Query[]>(scenes.map((s) => [s.id, []]));
  for (const query of queries) {
    const list = byScene.get(query.sceneId);
    if (list === undefined)
      throw new UserError(
        `sentence ${query.id}: scene "${query.sceneId}" is not among the ${scenes.length} prepared scenes; check ` +
          "the split's scene list",
      );
    list.push(query);
  }
  return scenes.map((scene) => {
    const list = byScene.get(scene.id)!;
    for (const query of list) {
      const missing = [query.targetId, ...query.anchorIds].find((id) => scene.entry.objects[id] === undefined);
      if (missing !== undefined) {
        throw new UserError(
          `sentence ${query.id}: object ${missing} is not in scene ${scene.id}, which has objects 0 to ` +
            `${scene.entry.objects.length - 1}`,
        );
      }
    }
    return { scene, queries: list.map((query) => withWholeClass(query, scene)) };
  });
}

/**
 * The set that each training sentence of each scene comes from, straight from the data folder; scenes without a
 * sentence are left out.
 *
 * @returns undefined when the folder is not there
 */
export function trainingSets(config: S2Config): Query["dataset"][][] | undefined {
  const folder = inProject(config.data.folder);
  if (!existsSync(folder)) return undefined;
  const byScene = new Map<string, Query["dataset"][]>();
  for (const set of config.data.sentences ?? ["scanrefer"])
    for (const { sceneId, dataset } of readSentences(folder, set, "train", config.data.referFilters))
      byScene.set(sceneId, [...(byScene.get(sceneId) ?? []), dataset]);
  return [...byScene.values()];
}

/** The tokenizer of a preset, beside its pretrained weights. @throws UserError as `openTokenizer` */
export function loadTokenizer(config: S2Config): Tokenizer {
  return openTokenizer(tokenizerFile(config), config);
}

export interface EncodedScene extends SceneSentences {
  readonly encoded: readonly EncodedSentence[];
}

/** All sentences of a split as tokens, with the true category in the answer. */
export function encodeScenes(
  groups: readonly SceneSentences[],
  tokenizer: Tokenizer,
  config: S2Config,
): { scenes: EncodedScene[]; prompt: SharedPrompt } {
  return {
    prompt: sharedPrompt(tokenizer, config.prompt, "train"),
    scenes: groups.map((group) => ({
      ...group,
      encoded: group.queries.map((q) => encodeSentence(tokenizer, q, q.category, config.prompt)),
    })),
  };
}

/** Tokens of the longest answer, <ground> among them. */
export function longestAnswer(scenes: readonly EncodedScene[]): number {
  return allSentences(scenes).reduce((most, { answer, ground }) => Math.max(most, ground - answer + 1), 1);
}

export function allSentences(scenes: readonly EncodedScene[]): EncodedSentence[] {
  return scenes.flatMap((s) => [...s.encoded]);
}
