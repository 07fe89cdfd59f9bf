import { existsSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { suggestion, UserError } from "../core/errors";
import type { ProgressSink } from "../core/progress";
import { prepareScenes } from "../dataloader/prepare";
import type { PreparedScene, ProposalSource } from "../dataloader/prepared-scenes";
import { evaluationViews } from "../dataloader/sampling";
import { loadTokenizer } from "../dataloader/sentences";
import { foreignCaptures } from "../datasets/frame-source";
import { isSynthetic } from "../datasets/rooms/config";
import { scenesIn } from "../datasets/scannet";
import type { Query } from "../datasets/scene";
import { wordsOf } from "../datasets/words";
import type { tf } from "../engine/tf";
import type { Box } from "../geometry/box";
import { type Answer, predict } from "./predict";
import { unknownWords } from "./score";

/** A model that answers: its configuration, its weights, and how long its answers may become. */
export interface Answerer {
  /** The run's id, or the checkpoint's folder. */
  readonly name: string;
  readonly config: S2Config;
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  readonly maxNewTokens: number;
}

/** One of the boxes that could be chosen. */
export interface ScoredBox {
  readonly index: number;
  readonly score: number;
  /** Centre and full size, metres, in the scene's axis-aligned frame. */
  readonly box: Box;
  readonly label?: string;
}

/** What the model answers to one sentence on one scene. */
export interface Grounding {
  readonly answerer: string;
  /** Absolute path of the data folder. */
  readonly folder: string;
  readonly sceneId: string;
  readonly sentence: string;
  /** Share of its words that the tokenizer does not know, percent, where there are any. */
  readonly unknownWords?: number;
  readonly proposals: ProposalSource;
  readonly synthetic: boolean;
  /** Names of the frames that the model looked at, in its order. */
  readonly frames: readonly string[];
  /** The words that the model wrote in front of <ground>. */
  readonly written: string;
  readonly withoutGround?: Answer["withoutGround"];
  /** All boxes, the best first. */
  readonly boxes: readonly ScoredBox[];
  /** Score of "no such object", where the model has that row; it wins when no box scores higher. */
  readonly noObject?: number;
}

/** The scene that is meant. @throws UserError when a folder has none, several, or not that one */
function chosenScene(folder: string, wanted: string | undefined): string {
  const known = scenesIn(folder);
  const few = known.slice(0, 5).join(", ") + (known.length > 5 ? `, … (${known.length} in all)` : "");
  if (wanted !== undefined) {
    // of layouts whose scenes are not listed here, and of single folders beside listed ones, opening it says more
    const listed = known.length === 0 || known.includes(wanted);
    if (!listed && ![folder, join(folder, "scans")].some((place) => existsSync(join(place, wanted))))
      throw new UserError(`${folder}: holds no scene "${wanted}"${suggestion(wanted, known)}; name one of ${few}`, 2);
    return wanted;
  }
  if (known.length === 1) return known[0]!;
  if (known.length === 0)
    throw new UserError(
      foreignCaptures(folder)[0] ?? `${folder}: holds no scene; expected scans/<id> with frames, poses and boxes`,
    );
  throw new UserError(`${folder}: holds several scenes; name one of ${few}`, 2);
}

/** The boxes to choose from: those that the configuration asks for, or what the scene has. */
function sourceOf(scene: PreparedScene, wanted: ProposalSource): ProposalSource {
  const other: ProposalSource = wanted === "gt" ? "detector" : "gt";
  const found = [wanted, other].find((source) => scene.boxes(source).length > 0);
  if (found === undefined)
    throw new UserError(
      `scene ${scene.id}: has no boxes to choose from; give it annotated objects or a detector's proposals ` +
        "(data check says which files it looks for)",
    );
  return found;
}

/**
 * Answers one sentence on one scene of a data folder; the scene is prepared first where it is not yet.
 *
 * @throws UserError for an empty sentence, an unknown scene, or a scene without boxes
 */
export async function ask(
  { name, config, parameters, maxNewTokens }: Answerer,
  folder: string,
  wanted: string | undefined,
  sentence: string,
  progress: ProgressSink,
): Promise<Grounding> {
  const description = sentence.trim();
  if (description === "") throw new UserError("the sentence is empty; say which object is meant", 2);
  if (!existsSync(folder)) throw new UserError(`${folder}: is not there; expected a data folder with scenes`, 2);
  const sceneId = chosenScene(folder, wanted);
  // the true class is not known: the words in front of <ground> are the model's own
  const own: S2Config = {
    ...config,
    prompt: { ...config.prompt, evaluation: "generated" },
    training: { ...config.training, scenes: 1 },
    data: { ...config.data, folder },
  };
  const cache = await prepareScenes(own, progress, 1, [sceneId]);
  const scene = cache.scenes("val")[0]!;
  const source = sourceOf(scene, own.data.proposals);
  const query: Query = {
    id: `${sceneId}|asked`,
    dataset: "scanrefer",
    sceneId,
    targetId: -1,
    category: "object",
    description,
    tokens: wordsOf(description),
    anchorIds: [],
    anchorWords: [],
    sameClass: 1,
  };
  const asked = [{ scene, queries: [query] }];
  const tokenizer = loadTokenizer(own);
  const [answer] = predict(parameters, own, cache, asked, tokenizer, { source, maxNewTokens, progress });
  const views = new Set(evaluationViews(cache.dims.pool, own).map((view) => scene.entry.frames[view]!));
  const offered = source === "gt" ? scene.entry.objects : scene.entry.proposals;
  const boxes = offered.map((o, index): ScoredBox => {
    const label = "label" in o && typeof o.label === "string" ? { label: o.label } : {};
    return { index, score: answer!.scores[index]!, box: o.box, ...label };
  });
  const noObject = answer!.scores[boxes.length];
  return {
    answerer: name,
    folder,
    sceneId,
    sentence: description,
    ...unknownWords([answer!], tokenizer),
    proposals: source,
    synthetic: isSynthetic(folder),
    frames: [...views],
    written: answer!.written ?? "",
    ...(answer!.withoutGround === undefined ? {} : { withoutGround: answer!.withoutGround }),
    boxes: boxes.sort((a, b) => b.score - a.score),
    ...(noObject === undefined ? {} : { noObject }),
  };
}

/** No box scores higher than "no such object". */
export function findsNothing({ boxes, noObject }: Grounding): boolean {
  return noObject !== undefined && boxes.every(({ score }) => score < noObject);
}
