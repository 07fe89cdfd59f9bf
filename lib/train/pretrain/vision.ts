import type { S2Config } from "../../config/schema";
import { TrainingConfig } from "../../config/schema";
import { takeMessages } from "../../core/interrupt";
import type { ParameterSpec } from "../../core/parameters";
import type { ProgressSink } from "../../core/progress";
import { Rng } from "../../core/rng";
import { disposeTensors, NamedStep } from "../../engine/named-step";
import { crossEntropy, tf } from "../../engine/tf";
import { initParameters } from "../../model/initialise";
import { patchSide, visionParameters, visionPrefix, visionTower } from "../../model/vision";
import { linear, linearParameters } from "../../nn/linear";
import { Scope } from "../../nn/scope";
import { loadWeights } from "../../weights/tensor-file";
import type { MetricsLine } from "../metrics-log";
import { AdamW, type UpdateNumbers } from "../optimizer";
import { learningRate } from "../schedule";

/** Pictures with what each patch mostly shows. No coordinate, no sentence. */
export interface LabelledFrames {
  readonly count: number;
  /** uint8[count, S, S, 3] */
  readonly colour: Uint8Array;
  /** uint8[count, N] class of the patch's most frequent object; 0 = room. */
  readonly classOf: Uint8Array;
  /** uint8[count, N] its colour; 0 = room. */
  readonly colourOf: Uint8Array;
  readonly classes: number;
  readonly colours: number;
}

export interface VisionPretraining {
  readonly steps: number;
  /** Pictures a step. */
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  /** Weights to go on from, as safetensors; random ones when absent. */
  readonly from?: string;
}

export interface PretrainedVision {
  /** Weights of the tower by checkpoint name. */
  readonly weights: Map<string, tf.Variable>;
  /**
   * Share of held-out patches that show an object whose class, and colour, is named right; of all patches for `any`.
   */
  readonly heldOut: { readonly classAccuracy: number; readonly colourAccuracy: number };
}

/** Pictures and the labels of their patches. */
type Examples = { readonly x: tf.Tensor4D; readonly classes: tf.Tensor1D; readonly colours: tf.Tensor1D };

const heads = "dense_heads";

/**
 * Starting values of the learned position embedding: sines of row and column, as plain vision transformers of little
 * data use them, so that neighbours look alike from the first step. float32[side * side, width]
 */
function gridWaves(side: number, width: number): Float32Array {
  const bands = width / 4;
  const out = new Float32Array(side * side * width);
  for (let cell = 0; cell < side * side; cell++) {
    [Math.floor(cell / side), cell % side].forEach((place, axis) => {
      for (let band = 0; band < bands; band++) {
        const angle = place / 30 ** (band / bands);
        const at = cell * width + 2 * axis * bands + band;
        out[at] = 0.5 * Math.sin(angle);
        out[at + bands] = 0.5 * Math.cos(angle);
      }
    });
  }
  return out;
}

const meanCrossEntropy = (logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar =>
  crossEntropy(logits, labels, tf.fill([logits.shape[0]], 1 / logits.shape[0]));

/**
 * Dense pretraining of a small vision tower: each patch names the class and colour of what it shows. Stands in for
 * SigLIP's pretraining at sizes where no public weights exist.
 */
export async function pretrainVision(
  config: S2Config,
  train: LabelledFrames,
  held: LabelledFrames,
  options: VisionPretraining,
  log: (line: MetricsLine) => void,
  progress: ProgressSink,
): Promise<PretrainedVision> {
  const { vision } = config;
  const rng = new Rng(options.seed, "pretrain-vision");
  const limit = Math.sqrt(6 / (vision.hiddenSize + train.classes));
  const specs: ParameterSpec[] = [
    ...visionParameters({ ...config, lora: { ...config.lora, vision: false } }),
    ...linearParameters({
      name: `${heads}.class`,
      in: vision.hiddenSize,
      out: train.classes,
      weightInit: { kind: "uniform", limit },
    }),
    ...linearParameters({
      name: `${heads}.colour`,
      in: vision.hiddenSize,
      out: train.colours,
      weightInit: { kind: "uniform", limit },
    }),
  ];
  const parameters = initParameters(specs, rng.fork("init"));
  if (options.from === undefined) {
    const positions = parameters.get(`${visionPrefix}.embeddings.position_embedding.weight`)!;
    const waves = tf.tensor(gridWaves(patchSide(vision), vision.hiddenSize), positions.shape);
    positions.assign(waves);
    waves.dispose();
  } else
    loadWeights(
      options.from,
      parameters,
      [...parameters.keys()].filter((name) => !name.startsWith(heads)),
    );
  const plan = new Map(
    [...parameters.keys()].map((name) => [name, { training: "train" as const, label: "dense pretraining", rate: 1 }]),
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
  const p = new Scope(parameters);
  const pixels = config.vision.imageSize ** 2 * 3;
  const patches = train.classOf.length / train.count;

  const tensors = (frames: LabelledFrames, picks: readonly number[], flips: readonly boolean[]): Examples => {
    const S = config.vision.imageSize,
      side = Math.round(Math.sqrt(patches));
    const x = new Float32Array(picks.length * pixels);
    const classes = new Int32Array(picks.length * patches),
      colours = new Int32Array(picks.length * patches);
    picks.forEach((pick, n) => {
      const mirrored = flips[n] === true;
      for (let row = 0, to = n * pixels; row < S; row++) {
        for (let col = 0; col < S; col++, to += 3) {
          const from = pick * pixels + (row * S + (mirrored ? S - 1 - col : col)) * 3;
          x[to] = frames.colour[from]! / 127.5 - 1;
          x[to + 1] = frames.colour[from + 1]! / 127.5 - 1;
          x[to + 2] = frames.colour[from + 2]! / 127.5 - 1;
        }
      }
      for (let i = 0; i < patches; i++) {
        const from = pick * patches + (mirrored ? i - (i % side) + side - 1 - (i % side) : i);
        classes[n * patches + i] = frames.classOf[from]!;
        colours[n * patches + i] = frames.colourOf[from]!;
      }
    });
    return {
      x: tf.tensor4d(x, [picks.length, S, S, 3]),
      classes: tf.tensor1d(classes, "int32"),
      colours: tf.tensor1d(colours, "int32"),
    };
  };
  const logits = (x: tf.Tensor4D): [tf.Tensor2D, tf.Tensor2D] => {
    const states = visionTower(p.at(visionPrefix), x, vision);
    const rows = states.reshape([-1, vision.hiddenSize]);
    return [
      linear(p.at(heads).at("class"), rows) as tf.Tensor2D,
      linear(p.at(heads).at("colour"), rows) as tf.Tensor2D,
    ];
  };
  const evaluate = (): { classAccuracy: number; colourAccuracy: number } => {
    let objects = 0,
      classHits = 0,
      colourHits = 0;
    for (let at = 0; at + options.batch <= held.count; at += options.batch) {
      const picks = Array.from({ length: options.batch }, (_, i) => at + i);
      const [classes, colours] = tf.tidy(() => {
        const [a, b] = logits(tensors(held, picks, []).x);
        return [a.argMax(-1), b.argMax(-1)];
      }) as [tf.Tensor, tf.Tensor];
      const [a, b] = [classes.dataSync(), colours.dataSync()];
      tf.dispose([classes, colours]);
      for (let i = 0; i < a.length; i++) {
        const label = held.classOf[at * patches + i]!;
        if (label === 0) continue;
        objects += 1;
        classHits += a[i] === label ? 1 : 0;
        colourHits += b[i] === held.colourOf[at * patches + i] ? 1 : 0;
      }
    }
    return { classAccuracy: classHits / objects, colourAccuracy: colourHits / objects };
  };

  const update = new NamedStep(({ x, classes, colours, numbers }: Examples & { numbers: UpdateNumbers }) => {
    const { value, grads } = tf.variableGrads(() => {
      const [a, b] = logits(x);
      return meanCrossEntropy(a, classes).add(meanCrossEntropy(b, colours)).asScalar();
    }, [...parameters.values()]);
    optimizer.apply(Object.fromEntries([...parameters].map(([name, v]) => [name, grads[v.name]!])), numbers);
    return { loss: value };
  });
  const started = Date.now();
  let epoch: number[] = [];
  for (let step = 0; step < options.steps; step++) {
    await takeMessages();
    const draw = rng.fork(`step-${step}`);
    if (epoch.length < options.batch)
      epoch = draw.fork("epoch").shuffle(Array.from({ length: train.count }, (_, i) => i));
    const picks = epoch.splice(0, options.batch);
    const rate = learningRate(step, training);
    const given = {
      ...tensors(
        train,
        picks,
        picks.map(() => draw.next() < 0.5),
      ),
      numbers: optimizer.begin(rate),
    };
    const { loss } = update.run(given);
    disposeTensors(given);
    if (step % 20 === 0 || step + 1 === options.steps)
      log({ step, seconds: (Date.now() - started) / 1000, loss, rate });
    if ((step + 1) % 250 === 0 && step + 1 < options.steps) {
      const now = evaluate();
      log({
        step,
        seconds: (Date.now() - started) / 1000,
        heldOutClass: now.classAccuracy,
        heldOutColour: now.colourAccuracy,
      });
    }
    progress({ task: "pretrain vision", done: step + 1, total: options.steps, note: `loss ${loss.toFixed(3)}` });
  }
  const heldOut = evaluate();
  log({
    step: options.steps,
    seconds: (Date.now() - started) / 1000,
    heldOutClass: heldOut.classAccuracy,
    heldOutColour: heldOut.colourAccuracy,
  });
  optimizer.dispose();
  for (const name of [...parameters.keys()].filter((n) => n.startsWith(heads))) {
    parameters.get(name)!.dispose();
    parameters.delete(name);
  }
  return { weights: parameters, heldOut };
}
