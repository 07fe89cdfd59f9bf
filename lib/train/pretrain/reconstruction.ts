import type { S2Config } from "../../config/schema";
import { TrainingConfig } from "../../config/schema";
import { takeMessages } from "../../core/interrupt";
import type { ProgressSink } from "../../core/progress";
import { Rng } from "../../core/rng";
import { normalisePixels } from "../../dataloader/inputs";
import { pointmapsOf } from "../../dataloader/pointmap-targets";
import type { PreparedScene, SceneCache } from "../../dataloader/prepared-scenes";
import { disposeTensors, NamedStep, runNamed } from "../../engine/named-step";
import { tf } from "../../engine/tf";
import { initParameters } from "../../model/initialise";
import { decodePointmaps, fast3rPrefix, reconstructionParameters } from "../../model/reconstruction";
import { visionFeatures } from "../../model/s2mllm";
import { visionParameters } from "../../model/vision";
import { Scope } from "../../nn/scope";
import { pointmapTerms } from "../losses/pointmap";
import type { MetricsLine } from "../metrics-log";
import { AdamW, type UpdateNumbers } from "../optimizer";
import { learningRate } from "../schedule";

export interface ReconstructionPretraining {
  readonly steps: number;
  /** Scenes a step, and neighbouring views of each. */
  readonly scenes: number;
  readonly views: number;
  readonly learningRate: number;
  readonly seed: number;
}

export interface PretrainedReconstruction {
  readonly weights: Map<string, tf.Variable>;
  /** Mean distance e on held-out scenes, relative to the scene's mean distance: global and local maps. */
  readonly heldOut: { readonly globalError: number; readonly localError: number };
}

/** Features of neighbouring views, or their colours where the encoder trains too, and the pointmaps behind them. */
type Examples = {
  readonly x: tf.Tensor4D | tf.Tensor5D;
  readonly global: tf.Tensor5D;
  readonly local: tf.Tensor5D;
  readonly valid: tf.Tensor4D;
};

/** Mean distances e of the global and the local maps. */
type Errors = { readonly global: tf.Scalar; readonly local: tf.Scalar };

/**
 * Pretraining of the reconstruction decoder and its heads, with Fast3R's own loss (spec 4.2). Stands in for Fast3R's
 * checkpoint at sizes where none exists. Where the model's tower trains (colours are prepared), the decoder learns
 * behind an encoder of its own, which starts from random numbers and is not kept, as Fast3R's was another than SigLIP:
 * the model's features are new to it. Else it learns on the frozen tower's features.
 */
export async function pretrainReconstruction(
  config: S2Config,
  cache: SceneCache,
  options: ReconstructionPretraining,
  log: (line: MetricsLine) => void,
  progress: ProgressSink,
): Promise<PretrainedReconstruction> {
  const rng = new Rng(options.seed, "pretrain-reconstruction");
  const ownEncoder = cache.dims.pixels === true;
  const decoder = reconstructionParameters(config).filter((s) => s.name.startsWith(`${fast3rPrefix}.`));
  // base weights alone: adapters belong to the model's tower
  const encoder = ownEncoder ? visionParameters({ ...config, lora: { ...config.lora, vision: false } }) : [];
  const specs = [...decoder, ...encoder];
  const parameters = initParameters(specs, rng.fork("init"));
  const plan = new Map(
    specs.map((s) => [s.name, { training: "train" as const, label: "reconstruction pretraining", rate: 1 }]),
  );
  const parsed = TrainingConfig.parse({
    scenes: 1,
    sentences: 1,
    learningRate: options.learningRate,
    beta2: 0.98,
    weightDecay: 0.02,
    warmup: 0.03,
    finalRate: 0.02,
  });
  const training = { ...parsed, steps: options.steps };
  const optimizer = new AdamW(parameters, plan, training);
  const { N, C, pool, image } = cache.dims;
  const whole: S2Config = {
    ...config,
    reconstruction: { ...config.reconstruction, scenesPerStep: 0, viewsPerStep: 0 },
  };
  const order = Int32Array.from({ length: options.scenes * options.views }, (_, i) => i % options.views);

  const tensors = (scenes: readonly PreparedScene[], first: readonly number[]): Examples => {
    const items = scenes.map((scene, s) => ({
      scene,
      views: Array.from({ length: options.views }, (_, v) => first[s]! + v),
      draw: 0,
    }));
    const each = ownEncoder ? image ** 2 * 3 : N * C;
    const seen = new Float32Array(scenes.length * options.views * each);
    items.forEach(({ scene, views }, s) =>
      views.forEach((view, v) => {
        const at = (s * options.views + v) * each;
        if (ownEncoder) normalisePixels(scene.record.pixels(view), seen, at);
        else seen.set(scene.record.features(view), at);
      }),
    );
    const points = pointmapsOf(items, cache, whole);
    for (const scene of scenes) scene.release();
    return {
      x: ownEncoder
        ? tf.tensor5d(seen, [scenes.length, options.views, image, image, 3])
        : tf.tensor4d(seen, [scenes.length, options.views, N, C]),
      global: tf.tensor5d(points.global, points.shape),
      local: tf.tensor5d(points.local, points.shape),
      valid: tf.tensor4d(points.valid, points.shape.slice(0, 4) as [number, number, number, number]),
    };
  };
  const terms = (batch: Examples): Errors & { readonly loss: tf.Scalar } => {
    const ids = tf.tensor2d(order, [options.scenes, options.views], "int32");
    const features = ownEncoder
      ? visionFeatures(parameters, batch.x as tf.Tensor5D, { ...config, lora: { ...config.lora, vision: false } })
      : (batch.x as tf.Tensor4D);
    const maps = decodePointmaps(new Scope(parameters).at(fast3rPrefix), features, ids, config.reconstruction);
    const alpha = config.reconstruction.alpha;
    const all = [
      ...(maps.global === undefined ? [] : [pointmapTerms(maps.global, batch.global, batch.valid, "joint", alpha)]),
      ...(maps.local === undefined ? [] : [pointmapTerms(maps.local, batch.local, batch.valid, "each", alpha)]),
    ];
    return {
      loss: tf
        .concat(all.map((t) => t.confidence))
        .mean()
        .asScalar(),
      global: all[0]!.distance.mean().asScalar(),
      local: all[all.length - 1]!.distance.mean().asScalar(),
    };
  };
  const update = new NamedStep(({ numbers, ...batch }: Examples & { numbers: UpdateNumbers }) => {
    let errors: Errors | undefined;
    const { grads, value } = tf.variableGrads(() => {
      const { loss, global, local } = terms(batch);
      errors = { global: tf.keep(global), local: tf.keep(local) };
      return loss;
    }, [...parameters.values()]);
    optimizer.apply(
      Object.fromEntries([...parameters].map(([name, v]) => [name, grads[v.name] ?? tf.zerosLike(v)])),
      numbers,
    );
    return { loss: value, ...errors! };
  });
  const train = cache.scenes("train"),
    held = cache.scenes("val");
  const started = Date.now();
  for (let step = 0; step < options.steps; step++) {
    await takeMessages();
    const draw = rng.fork(`step-${step}`);
    const scenes = Array.from({ length: options.scenes }, () => draw.pick(train));
    const first = scenes.map(() => draw.int(pool - options.views + 1));
    const rate = learningRate(step, training);
    const given = { ...tensors(scenes, first), numbers: optimizer.begin(rate) };
    const { loss, global: globalError, local: localError } = update.run(given);
    disposeTensors(given);
    if (step % 20 === 0 || step + 1 === options.steps)
      log({ step, seconds: (Date.now() - started) / 1000, loss, globalError, localError, rate });
    progress({
      task: "pretrain reconstruction",
      done: step + 1,
      total: options.steps,
      note: `loss ${loss.toFixed(3)} global ${globalError.toFixed(3)} local ${localError.toFixed(3)}`,
    });
  }
  let globalError = 0,
    localError = 0,
    rounds = 0;
  for (let at = 0; at + options.scenes <= held.length; at += options.scenes) {
    const batch = tensors(held.slice(at, at + options.scenes), new Array<number>(options.scenes).fill(0));
    const errors = runNamed((own: Examples): Errors => {
      const { global, local } = terms(own);
      return { global, local };
    }, batch);
    disposeTensors(batch);
    globalError += errors.global;
    localError += errors.local;
    rounds += 1;
  }
  const heldOut = { globalError: globalError / rounds, localError: localError / rounds };
  log({
    step: options.steps,
    seconds: (Date.now() - started) / 1000,
    heldOutGlobal: heldOut.globalError,
    heldOutLocal: heldOut.localError,
  });
  optimizer.dispose();
  return { weights: new Map(decoder.map(({ name }) => [name, parameters.get(name)!])), heldOut };
}
