import type { S2Config } from "../config/schema";
import type { ProgressSink } from "../core/progress";
import { inputSizes, makeInputs, type SentenceTokens, sequenceLayout } from "../dataloader/inputs";
import type { PreparedScene, ProposalSource, SceneCache } from "../dataloader/prepared-scenes";
import { evaluationViews } from "../dataloader/sampling";
import type { SceneSentences } from "../dataloader/sentences";
import type { Query } from "../datasets/scene";
import { disposeTensors, NamedStep } from "../engine/named-step";
import { tf } from "../engine/tf";
import { iou } from "../geometry/box";
import type { Tokenizer } from "../io/tokenizer";
import { Generation, type NextTokens, type Written } from "../model/generate";
import type { ModelInputs } from "../model/inputs";
import { encodeQuestion, encodeSentence, endTokens, groundToken, sharedPrompt } from "../model/prompt";
import { visionFeatures } from "../model/s2mllm";

/** What the model answered to one sentence. */
export interface Answer {
  readonly query: Query;
  /** Position of the chosen proposal. */
  readonly chosen: number;
  /** IoU of the chosen box and the target's, ScanRefer's form; 0 where the right answer is not known. */
  readonly iou: number;
  /** Score of each proposal, then of "no object" where the head has it. */
  readonly scores: readonly number[];
  /** The words in front of <ground> that the model wrote itself; undefined unless it did. */
  readonly written?: string;
  /** The model did not write <ground>: it ended its answer, or wrote on until the cap; <ground> was put behind it. */
  readonly withoutGround?: "ended" | "cap";
}

export interface PredictOptions {
  readonly source: ProposalSource;
  readonly progress?: ProgressSink;
  /** Sentences of a scene that share one pass; the rest follow in further passes. */
  readonly sentences?: number;
  /** Tokens that the model may write, <ground> among them: as many as its longest training answer. */
  readonly maxNewTokens: number;
}

/** One sentence's answer while it is written. */
interface Draft {
  readonly query: Query;
  /** What the answer goes on from; in the modes that generate nothing, all up to <ground>. */
  readonly question: readonly number[];
  readonly written: number[];
  scores?: number[];
  withoutGround?: "ended" | "cap";
}

/** Chunks of one scene and at most `perScene` of its sentences. */
function chunksOf(scenes: readonly SceneSentences[], perScene: number): SceneSentences[] {
  return scenes.flatMap(({ scene, queries }) =>
    Array.from({ length: Math.ceil(queries.length / perScene) }, (_, i) => ({
      scene,
      queries: queries.slice(i * perScene, (i + 1) * perScene),
    })),
  );
}

function draftOf(query: Query, tokenizer: Tokenizer, { prompt }: S2Config): Draft {
  if (generates(prompt)) return { query, question: encodeQuestion(tokenizer, query, prompt), written: [] };
  const category = prompt.evaluation === "gold" ? query.category : "object";
  const whole = encodeSentence(tokenizer, query, category, prompt);
  return { query, question: whole.ids.slice(0, whole.ground + 1), written: [] };
}

/** The words in front of <ground> are the model's own. */
const generates = ({ evaluation, answer }: S2Config["prompt"]): boolean =>
  evaluation === "generated" && answer === "category";

/**
 * Answers every sentence of the scenes. The category in front of <ground> is the model's own by default: the answer is
 * written greedily until <ground> comes, each token by one row of the language model.
 */
export function predict(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: S2Config,
  cache: SceneCache,
  scenes: readonly SceneSentences[],
  tokenizer: Tokenizer,
  options: PredictOptions,
): Answer[] {
  const { source } = options;
  const withText = scenes.filter((s) => s.queries.length > 0);
  if (withText.length === 0) return [];
  const writing = generates(config.prompt);
  const cap = writing ? options.maxNewTokens : 0;
  const prompt = sharedPrompt(tokenizer, config.prompt, "evaluate");
  const perScene = options.sentences ?? Math.min(16, Math.max(...withText.map((s) => s.queries.length)));
  const chunks = chunksOf(withText, perScene).map(({ scene, queries }) => ({
    scene,
    drafts: queries.map((query) => draftOf(query, tokenizer, config)),
  }));
  const tokens = ({ question }: Draft): SentenceTokens => ({ ids: question, ground: question.length - 1 });
  const sizes = inputSizes(
    chunks.flatMap(({ drafts }) => drafts.map(tokens)),
    withText.map((s) => s.scene),
    perScene,
    source,
  );
  const views = evaluationViews(cache.dims.pool, config);
  const [B, Q] = [config.training.scenes, perScene];
  const generation = new Generation(parameters, config, {
    scenes: B,
    sentences: Q,
    objects: sizes.objects,
    prefix: sequenceLayout([{ views, sentences: [] }], cache, sizes, prompt).P,
    question: sizes.tokens,
    written: cap,
  });
  const begin = new NamedStep((inputs: ModelInputs) => generation.begin(inputs));
  const next = new NamedStep((given: NextTokens) => generation.next(given));
  const tower = new NamedStep(({ pixels }: { pixels: tf.Tensor5D }) => ({
    features: visionFeatures(parameters, pixels, config),
  }));
  const answers: Answer[] = [];
  try {
    for (let at = 0; at < chunks.length; at += B) {
      const group = chunks.slice(at, at + B);
      // a short last group is filled with its first chunk, so that every pass has the same shapes
      const filled = Array.from({ length: B }, (_, i) => group[i] ?? { scene: group[0]!.scene, drafts: [] });
      const inputs = makeInputs(
        filled.map(({ scene, drafts }) => ({ scene, views, turns: 0, sentences: drafts.map(tokens) })),
        cache,
        sizes,
        prompt,
        config,
        source,
      );
      const seen = lookAt(inputs, tower, [B, views.length, cache.dims.N, cache.dims.C]);
      const first = begin.run(seen);
      disposeTensors(seen);
      const drafts = filled.map((chunk) => chunk.drafts);
      if (writing) write(first.next, next, drafts, { Q, question: sizes.tokens, cap }, tokenizer);
      else score(first.scores, drafts, Q, () => true);
      for (const chunk of group)
        for (const draft of chunk.drafts)
          answers.push(answerOf(draft, chunk.scene, sizes.objects, writing ? tokenizer : undefined, source));
      for (const { scene } of group) scene.release();
      options.progress?.({
        task: `evaluate (${source} proposals)`,
        done: Math.min(at + B, chunks.length),
        total: chunks.length,
      });
    }
  } finally {
    generation.dispose();
  }
  return answers;
}

type Tower = NamedStep<{ pixels: tf.Tensor5D }, { features: tf.Tensor }>;

/** Inputs whose colours, where they have any, are replaced by what the tower sees in them. */
function lookAt(inputs: ModelInputs, tower: Tower, shape: [number, number, number, number]): ModelInputs {
  const { pixels, ...others } = inputs;
  if (pixels === undefined) return inputs;
  const features = tf.tensor4d(tower.run({ pixels }).features, shape);
  pixels.dispose();
  return { ...others, features };
}

/** Takes over the scores, [B, Q, columns], of the drafts that `ready` says are at <ground>. */
function score(
  scores: Float32Array,
  drafts: readonly (readonly Draft[])[],
  Q: number,
  ready: (draft: Draft) => boolean,
): void {
  const columns = scores.length / (drafts.length * Q);
  drafts.forEach((row, b) =>
    row.forEach((draft, q) => {
      if (draft.scores !== undefined || !ready(draft)) return;
      const from = (b * Q + q) * columns;
      draft.scores = Array.from(scores.subarray(from, from + columns));
    }),
  );
}

/** Writes answers until each has its <ground>, a token of every draft a pass. @param likely first tokens, [B*Q] */
function write(
  likely: ArrayLike<number>,
  next: NamedStep<NextTokens, Written>,
  drafts: readonly (readonly Draft[])[],
  { Q, question, cap }: { readonly Q: number; readonly question: number; readonly cap: number },
  tokenizer: Tokenizer,
): void {
  const B = drafts.length;
  const room = question + cap;
  const groundId = tokenizer.id(groundToken);
  const ends = new Set(endTokens.filter((token) => tokenizer.has(token)).map((token) => tokenizer.id(token)));
  const kept = new Float32Array(B * Q * room);
  drafts.forEach((row, b) =>
    row.forEach(({ question: ids }, q) => kept.fill(1, (b * Q + q) * room, (b * Q + q) * room + ids.length)),
  );
  for (let step = 0; drafts.some((row) => row.some(({ scores }) => scores === undefined)); step++) {
    const ids = new Int32Array(B * Q).fill(groundId);
    drafts.forEach((row, b) =>
      row.forEach((draft, q) => {
        if (draft.scores !== undefined) return;
        const wanted = likely[b * Q + q]!;
        if (wanted !== groundId && ends.has(wanted)) draft.withoutGround = "ended";
        else if (wanted !== groundId && step + 1 === cap) draft.withoutGround = "cap";
        ids[b * Q + q] = draft.withoutGround === undefined ? wanted : groundId;
        draft.written.push(ids[b * Q + q]!);
      }),
    );
    for (let i = 0; i < B * Q; i++) kept[i * room + question + step] = 1;
    const given: NextTokens = {
      ids: tf.tensor2d(ids, [B, Q], "int32"),
      place: tf.tensor1d(Float32Array.from({ length: room }, (_, t) => (t === question + step ? 1 : 0))),
      kept: tf.tensor3d(kept.slice(), [B, Q, room]),
    };
    const said = next.run(given);
    disposeTensors(given);
    score(said.scores, drafts, Q, ({ written }) => written.at(-1) === groundId);
    likely = said.next;
  }
}

function answerOf(
  { query, written, scores: padded, withoutGround }: Draft,
  scene: PreparedScene,
  objects: number,
  tokenizer: Tokenizer | undefined,
  source: ProposalSource,
): Answer {
  const boxes = scene.boxes(source);
  // padding between the scene's proposals and the last column is dropped
  const none = padded!.slice(objects);
  const scores = [...padded!.slice(0, boxes.length), ...none];
  // "no object" is passed over: the best real proposal answers (spec 2.9)
  let chosen = 0;
  for (let o = 1; o < boxes.length; o++) if (scores[o]! > scores[chosen]!) chosen = o;
  const target = scene.entry.objects[query.targetId];
  const words = written.slice(0, -1).map((id) => tokenizer?.token(id) ?? "");
  return {
    query,
    chosen,
    scores,
    iou: target === undefined ? 0 : iou(boxes[chosen]!, target.box),
    ...(tokenizer === undefined ? {} : { written: words.join(" ") }),
    ...(withoutGround === undefined ? {} : { withoutGround }),
  };
}
