import type { S2Config } from "../config/schema";
import type { ProgressSink } from "../core/progress";
import { type InputSizes, inputSizes, makeInputs, type SentenceTokens } from "../dataloader/inputs";
import type { PreparedScene, ProposalSource, SceneCache } from "../dataloader/prepared-scenes";
import type { SceneSentences } from "../dataloader/sentences";
import { uniformFrames } from "../datasets/frames";
import type { Query } from "../datasets/scene";
import { disposeTensors, NamedStep } from "../engine/named-step";
import { tf } from "../engine/tf";
import { iou } from "../geometry/box";
import type { Tokenizer } from "../io/tokenizer";
import type { ModelInputs } from "../model/inputs";
import { encodeQuestion, encodeSentence, groundToken, type SharedPrompt, sharedPrompt } from "../model/prompt";
import { forward, visionFeatures } from "../model/s2mllm";

/** What the model answered to one sentence. */
export interface Answer {
  readonly query: Query;
  /** Position of the chosen proposal. */
  readonly chosen: number;
  /** IoU of the chosen box and the target's, ScanRefer's form. */
  readonly iou: number;
  /** Score of each proposal, then of "no object" where the head has it. */
  readonly scores: readonly number[];
  /** The words in front of <ground> that the model wrote itself; undefined unless it did. */
  readonly written?: string;
}

export interface PredictOptions {
  readonly source: ProposalSource;
  readonly progress?: ProgressSink;
  /** Sentences of a scene that share one pass; the rest follow in further passes. */
  readonly sentences?: number;
}

/** Tokens that the model may write before <ground> is put there for it. */
const mostWritten = 8;

interface Draft {
  readonly query: Query;
  ids: number[];
  done: boolean;
}

/**
 * Answers every sentence of the scenes. The category in front of <ground> is the model's own by default: the answer is
 * written greedily, token by token, until <ground> comes.
 */
export function predict(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: S2Config,
  cache: SceneCache,
  scenes: readonly SceneSentences[],
  tokenizer: Tokenizer,
  options: PredictOptions,
): Answer[] {
  const prompt = sharedPrompt(tokenizer, config.prompt, "evaluate");
  const withText = scenes.filter((s) => s.queries.length > 0);
  const perScene = options.sentences ?? Math.min(16, Math.max(1, ...withText.map((s) => s.queries.length)));
  const sample = withText.flatMap((s) => s.queries.map((q) => encodeSentence(tokenizer, q, q.category, config.prompt)));
  const base = inputSizes(
    sample,
    withText.map((s) => s.scene),
    perScene,
    options.source,
  );
  const sizes: InputSizes = { ...base, tokens: base.tokens + (config.prompt.evaluation === "generated" ? 2 : 0) };
  const views = uniformFrames(cache.dims.pool, config.data.frames);
  const groundId = tokenizer.id(groundToken);
  const program: Program = new NamedStep((inputs: ModelInputs) => {
    const out = forward(parameters, inputs, config);
    return { scores: out.scores, next: out.logitsAt(inputs.groundRows).argMax(-1) as tf.Tensor1D };
  });
  // a tower that trained runs once a group, not once a written word
  const tower = new NamedStep(({ pixels }: { pixels: tf.Tensor5D }) => ({
    features: visionFeatures(parameters, pixels, config),
  }));
  // chunks of one scene and at most `perScene` of its sentences
  const chunks = withText.flatMap(({ scene, queries }) =>
    Array.from({ length: Math.ceil(queries.length / perScene) }, (_, i) => ({
      scene,
      queries: queries.slice(i * perScene, (i + 1) * perScene),
    })),
  );
  const answers: Answer[] = [];
  const B = config.training.scenes;
  for (let at = 0; at < chunks.length; at += B) {
    const group = chunks.slice(at, at + B);
    // a short last group is filled with its first chunk, so that every pass has the same shapes
    const filled = Array.from({ length: B }, (_, i) => group[i] ?? group[0]!);
    const drafts = filled.map((chunk) => chunk.queries.map((query): Draft => startDraft(query, tokenizer, config)));
    let looked: tf.Tensor4D | undefined;
    const look = ({ pixels, ...inputs }: ModelInputs): ModelInputs => {
      if (pixels === undefined) return { ...inputs };
      const { N, C } = cache.dims;
      looked ??= tf.tensor4d(tower.run({ pixels }).features, [B, views.length, N, C]);
      return { ...inputs, features: looked };
    };
    for (let written = 0; ; written++) {
      const { scores, next } = pass(
        program,
        look,
        config,
        cache,
        filled.map((c) => c.scene),
        drafts,
        views,
        sizes,
        prompt,
        options.source,
      );
      const open = drafts.flat().filter((d) => !d.done);
      if (open.length === 0) {
        group.forEach((chunk, b) =>
          chunk.queries.forEach((query, q) => {
            answers.push(
              answerOf(query, chunk.scene, scores[b]![q]!, drafts[b]![q]!, tokenizer, config, options.source),
            );
          }),
        );
        break;
      }
      drafts.forEach((row, b) =>
        row.forEach((draft, q) => {
          if (draft.done) return;
          const token = written + 1 >= mostWritten || draft.ids.length + 1 >= sizes.tokens ? groundId : next[b]![q]!;
          draft.ids = [...draft.ids, token];
          draft.done = token === groundId;
        }),
      );
    }
    looked?.dispose();
    for (const { scene } of group) scene.release();
    options.progress?.({
      task: `evaluate (${options.source} proposals)`,
      done: Math.min(at + B, chunks.length),
      total: chunks.length,
    });
  }
  return answers;
}

function startDraft(query: Query, tokenizer: Tokenizer, config: S2Config): Draft {
  const mode = config.prompt.evaluation;
  if (mode === "generated" && config.prompt.answer === "category")
    return { query, ids: encodeQuestion(tokenizer, query, config.prompt), done: false };
  const category = mode === "gold" ? query.category : "object";
  const whole = encodeSentence(tokenizer, query, category, config.prompt);
  return { query, ids: whole.ids.slice(0, whole.ground + 1), done: true };
}

/** Scores [B, Q, columns], and the most likely next token of each sentence [B*Q]. */
type Program = NamedStep<ModelInputs, { scores: tf.Tensor3D; next: tf.Tensor1D }>;

/**
 * One forward pass: scores at each draft's last token, and the most likely next token there.
 *
 * @param look gives the model features for colours
 */
function pass(
  program: Program,
  look: (inputs: ModelInputs) => ModelInputs,
  config: S2Config,
  cache: SceneCache,
  scenes: readonly PreparedScene[],
  drafts: readonly (readonly Draft[])[],
  views: readonly number[],
  sizes: InputSizes,
  prompt: SharedPrompt,
  source: ProposalSource,
): { scores: number[][][]; next: number[][] } {
  const tokens = ({ ids }: Draft): SentenceTokens => ({ ids, ground: ids.length - 1 });
  const inputs = makeInputs(
    scenes.map((scene, b) => ({ scene, views, turns: 0, sentences: drafts[b]!.map(tokens) })),
    cache,
    sizes,
    prompt,
    config,
    source,
  );
  try {
    const { scores, next } = program.run(look(inputs));
    const Q = sizes.sentences;
    const columns = scores.length / (scenes.length * Q);
    return {
      scores: scenes.map((scene, b) =>
        drafts[b]!.map((_, q) => {
          const from = (b * Q + q) * columns;
          const row = Array.from(scores.subarray(from, from + columns));
          const count = scene.boxes(source).length;
          // padding between the scene's proposals and the last column is dropped
          return columns > sizes.objects ? [...row.slice(0, count), row[columns - 1]!] : row.slice(0, count);
        }),
      ),
      next: scenes.map((_, b) => drafts[b]!.map((_d, q) => next[b * Q + q]!)),
    };
  } finally {
    disposeTensors(inputs);
  }
}

function answerOf(
  query: Query,
  scene: PreparedScene,
  scores: number[],
  draft: Draft,
  tokenizer: Tokenizer,
  config: S2Config,
  source: ProposalSource,
): Answer {
  const boxes = scene.boxes(source);
  // "no object" is passed over: the best real proposal answers (spec 2.9)
  let chosen = 0;
  for (let o = 1; o < boxes.length; o++) if (scores[o]! > scores[chosen]!) chosen = o;
  const own = config.prompt.evaluation === "generated" && config.prompt.answer === "category";
  const question = own ? encodeQuestion(tokenizer, query, config.prompt).length : 0;
  return {
    query,
    chosen,
    scores,
    iou: iou(boxes[chosen]!, scene.entry.objects[query.targetId]!.box),
    ...(own
      ? {
          written: draft.ids
            .slice(question, -1)
            .map((id) => tokenizer.token(id))
            .join(" "),
        }
      : {}),
  };
}
