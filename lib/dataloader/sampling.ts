import type { S2Config } from "../config/schema";
import type { Rng } from "../core/rng";
import { uniformFrames } from "../datasets/frames";

/** What one scene contributes to one batch. */
export interface Pick {
  readonly scene: number;
  /** Positions in the scene's pool of prepared views, ascending. */
  readonly views: readonly number[];
  /** Positions in the scene's list of sentences; shorter than `sentences` when the scene has fewer. */
  readonly sentences: readonly number[];
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

/**
 * The batch of a training step, a pure function of (seed, step): an interrupted run that resumes at the same step
 * draws the same batches. Scenes come in shuffled epochs.
 */
export function sampleStep(step: number, sizes: SceneSizes, config: S2Config, rng: Rng): Pick[] {
  const usable = sizes.sentences.flatMap((n, i) => (n > 0 ? [i] : []));
  const draw = rng.fork(`step-${step}`);
  return Array.from({ length: config.training.scenes }, (_, i) => {
    const position = step * config.training.scenes + i;
    const epoch = Math.floor(position / usable.length);
    const scene = usable[epochOrder(usable.length, rng, epoch)[position % usable.length]!]!;
    const all = Array.from({ length: sizes.pool }, (_, v) => v);
    const views =
      config.data.trainFrames === "random"
        ? draw
            .shuffle(all)
            .slice(0, config.data.frames)
            .sort((a, b) => a - b)
        : uniformFrames(sizes.pool, config.data.frames);
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
