import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { Rng } from "../core/rng";
import { uniformFrames } from "../datasets/frame-sampling";
import type { Query } from "../datasets/scene";
import { evaluationFrames } from "./record";

/** Sentences of one scene that share an encoding of its views. */
export interface SentenceGroup {
  readonly scene: number;
  /** Positions in the scene's list of sentences; at most `training.sentences`. */
  readonly sentences: readonly number[];
}

/** What one scene contributes to one batch. */
export interface Pick extends SentenceGroup {
  /** Positions in the scene's pool of prepared views, ascending. */
  readonly views: readonly number[];
  /** Quarter turns about the vertical. */
  readonly turns: number;
  /** Scenes and first view that the reconstruction loss looks at are drawn from here. */
  readonly draw: number;
}

/** What the sampler must know of the data. */
export interface SceneSizes {
  readonly pool: number;
  /** Sentences of each scene; a scene with none is never drawn. */
  readonly sentences: readonly number[];
}

/** The prepared views that evaluation sees: spread over the pool, or neighbours in its middle. */
export function evaluationViews(pool: number, config: S2Config): number[] {
  const count = evaluationFrames(config);
  if (config.data.neighbours !== true) return uniformFrames(pool, count);
  return neighbours(Math.floor((pool - count) / 2), count);
}

const neighbours = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

function viewsOf(pool: number, config: S2Config, draw: Rng): number[] {
  const { frames, trainFrames } = config.data;
  if (config.data.neighbours === true) {
    const last = pool - frames;
    return neighbours(trainFrames === "uniform" ? Math.floor(last / 2) : draw.int(last + 1), frames);
  }
  if (trainFrames === "uniform") return uniformFrames(pool, frames);
  return draw
    .shuffle(Array.from({ length: pool }, (_, v) => v))
    .slice(0, frames)
    .sort((a, b) => a - b);
}

/**
 * The batch of a training step where sentences are drawn anew for each step, a pure function of (seed, step): an
 * interrupted run that resumes at the same step draws the same batches. Scenes come in shuffled epochs.
 */
export function sampleStep(step: number, sizes: SceneSizes, config: S2Config, rng: Rng): Pick[] {
  const usable = sizes.sentences.flatMap((n, i) => (n > 0 ? [i] : []));
  const draw = rng.fork(`step-${step}`);
  return Array.from({ length: config.training.scenes }, (_, i) => {
    const position = step * config.training.scenes + i;
    const epoch = Math.floor(position / usable.length);
    const scene = usable[epochOrder(usable.length, rng, epoch)[position % usable.length]!]!;
    const views = viewsOf(sizes.pool, config, draw);
    const count = sizes.sentences[scene]!;
    const sentences = draw.shuffle(Array.from({ length: count }, (_, s) => s)).slice(0, config.training.sentences);
    return { scene, views, sentences, turns: config.training.rotate ? draw.int(4) : 0, draw: draw.next() };
  });
}

let cached: { key: string; order: number[] } | undefined;

function epochOrder(count: number, rng: Rng, epoch: number): number[] {
  const key = `${rng.seed}/${rng.label}/${epoch}/${count}`;
  if (cached?.key !== key)
    cached = { key, order: rng.fork(`epoch-${epoch}`).shuffle(Array.from({ length: count }, (_, i) => i)) };
  return cached.order;
}

/**
 * The order of sentences over epochs: in each, every sentence stands once (or as often as `data.sentenceWeights` says
 * of its set). A scene's sentences are shuffled and cut into groups of `training.sentences`, and the groups of all
 * scenes are shuffled together; batches take them one after the other, across the ends of epochs. All is a pure
 * function of the seed and the position, so that a resumed run goes on with the same order, and nothing is repeated or
 * left out.
 *
 * The release shuffles single sentences (Hugging Face's random sampler): so does this where `training.sentences` is 1,
 * as in the paper presets. With larger groups a batch holds several sentences of one scene, which then share one
 * encoding of its views.
 */
export class SentenceOrder {
  readonly #epochs: (readonly SentenceGroup[])[] = [];

  /** @param sets the set that each sentence of each scene comes from */
  constructor(
    private readonly sets: readonly (readonly Query["dataset"][])[],
    private readonly config: S2Config,
    private readonly rng: Rng,
  ) {
    if (this.epoch(0).length === 0)
      throw new UserError(
        "an epoch has no sentence; check data.sentences, data.referFilters and data.sentenceWeights against the data",
      );
  }

  /** Groups of all scenes' sentences in the order of an epoch. */
  epoch(epoch: number): readonly SentenceGroup[] {
    return (this.#epochs[epoch] ??= this.#shuffled(this.rng.fork(`sentences-${epoch}`)));
  }

  #shuffled(draw: Rng): SentenceGroup[] {
    const { data, training } = this.config;
    const groups: SentenceGroup[] = [];
    /** Cuts sentences, as (scene, position), into groups. */
    const add = (sentences: readonly (readonly [number, number])[]): void => {
      const byScene = new Map<number, number[]>();
      for (const [scene, at] of sentences) byScene.set(scene, [...(byScene.get(scene) ?? []), at]);
      for (const [scene, all] of byScene)
        for (let i = 0; i < all.length; i += training.sentences)
          groups.push({ scene, sentences: all.slice(i, i + training.sentences) });
    };
    const all = draw.shuffle(this.sets.flatMap((own, scene) => own.map((_, at) => [scene, at] as const)));
    const weightOf = ([scene, at]: readonly [number, number]): number =>
      data.sentenceWeights?.[this.sets[scene]![at]!] ?? 1;
    const counts = new Map<Query["dataset"], number>();
    for (const set of this.sets.flat()) counts.set(set, (counts.get(set) ?? 0) + 1);
    const rounds = Math.max(0, ...new Set(all.map(weightOf)));
    for (let round = 0; round < rounds; round++) {
      const taken = new Map<Query["dataset"], number>();
      add(
        all.filter((sentence) => {
          const share = Math.min(1, weightOf(sentence) - round);
          if (share >= 1 || share <= 0) return share > 0;
          // of a set that is taken in part, so many of the first in this epoch's order
          const set = this.sets[sentence[0]]![sentence[1]]!;
          const before = taken.get(set) ?? 0;
          taken.set(set, before + 1);
          return before < Math.round(share * counts.get(set)!);
        }),
      );
    }
    return draw.shuffle(groups);
  }

  /** Groups in so many epochs. */
  groups(epochs: number): number {
    let groups = 0;
    for (let epoch = 0; epoch < epochs; epoch++)
      groups += Math.round(Math.min(1, epochs - epoch) * this.epoch(epoch).length);
    return groups;
  }

  #at(position: number): SentenceGroup {
    let from = position;
    for (let epoch = 0; ; epoch++) {
      const groups = this.epoch(epoch);
      if (from < groups.length) return groups[from]!;
      from -= groups.length;
    }
  }

  /** Batches of a training that ends with its epochs; the last one may be smaller. */
  batches(epochs: number): number {
    return Math.ceil(this.groups(epochs) / this.config.training.scenes);
  }

  /** The n-th batch. @param epochs where the training ends; undefined where it goes on for a number of steps */
  batch(n: number, pool: number, epochs: number | undefined): Pick[] {
    const { scenes, rotate } = this.config.training;
    const end = epochs === undefined ? Number.POSITIVE_INFINITY : this.groups(epochs);
    const draw = this.rng.fork(`step-${n}`);
    return Array.from({ length: Math.min(scenes, end - n * scenes) }, (_, i) => {
      const group = this.#at(n * scenes + i);
      const views = viewsOf(pool, this.config, draw);
      return { ...group, views, turns: rotate ? draw.int(4) : 0, draw: draw.next() };
    });
  }
}
