import { type ConfigRequest, resolveConfig } from "./config/resolve";
import type { S2Config } from "./config/schema";
import { onInterrupt } from "./core/interrupt";
import { type ProgressSink, silent } from "./core/progress";
import { inEither, inProject } from "./core/root";
import { encodeScenes } from "./dataloader/sentences";
import { chooseEngine, type EngineName } from "./engine/choose";
import type { tf } from "./engine/tf";
import { ask, type Grounding } from "./eval/ask";
import { openSession, type Session } from "./eval/session";
import { disposeParameters } from "./model/initialise";
import { findRun, RunFolder } from "./runs/folder";
import { fineTune, storedParameters } from "./train/fine-tune";
import { newRun } from "./train/identify";
import { Trainer } from "./train/trainer";
import type { LabelledBatch, StepReport } from "./train/training-step";
import { readMaxNewTokens } from "./weights/hf-config";
import { startingParameters } from "./weights/parameters";
import { checkpointsOf, pretrainedPreset } from "./weights/pretrained";

/**
 * A preset ("nano" unless given) with its ablation, seed and changes such as "training.steps=200"; or a finished run by
 * its id, a beginning of it, or its folder.
 */
export type ModelRequest = (Partial<ConfigRequest> | { readonly run: string }) & { readonly progress?: ProgressSink };

/** A model with its weights on an engine. `lab.model` opens it. */
export class Model {
  #session: Promise<Session> | undefined;
  #trainer: Trainer | undefined;

  private constructor(
    /** What the weights come from: a run's id, or the preset. */
    public name: string,
    readonly config: S2Config,
    readonly ablation: string,
    readonly engine: EngineName,
    /** float32 variables by their Hugging Face names, in the shapes of published checkpoints. */
    public parameters: ReadonlyMap<string, tf.Variable>,
    /** Tokens that an answer may have, <ground> among them. */
    private maxNewTokens: number,
    private readonly progress: ProgressSink,
  ) {}

  static async open({ progress = silent, ...request }: ModelRequest = {}): Promise<Model> {
    const { engine } = await chooseEngine();
    if ("run" in request) {
      const { record, folder } = findRun(request.run);
      const { config, parameters } = storedParameters({ record, folder });
      const most = readMaxNewTokens(folder);
      return new Model(record.id, config, record.variant, engine, parameters, most, progress);
    }
    const config = resolveConfig({ preset: "nano", ...request });
    const [base = inEither("data", "pretrained", pretrainedPreset(config))] = checkpointsOf(config).bases;
    const [parameters, most] = [startingParameters(config), readMaxNewTokens(base)];
    return new Model(config.preset, config, request.ablation ?? "full", engine, parameters, most, progress);
  }

  /** The data of the configuration, prepared where it is not yet (kept in data/cache): scenes, sentences, tokenizer. */
  data(): Promise<Session> {
    return (this.#session ??= openSession(this.config, this.progress));
  }

  async #training(): Promise<Trainer> {
    const { tokenizer, cache, sentences } = await this.data();
    if (this.#trainer === undefined) {
      const { scenes, prompt } = encodeScenes(sentences("train"), tokenizer, this.config);
      this.#trainer = new Trainer(this.config, cache, scenes, prompt, this.parameters);
    }
    return this.#trainer;
  }

  /**
   * The batch of a step; it depends on the seed and the step alone. B = training.scenes scenes of V = data.frames views
   * with Q = training.sentences sentences each: `batch.inputs` is what the model reads (`ModelInputs`: features or
   * pixels, coordinates of patches in metres, rays, patches of each box, token ids), `batch.targets` what the losses
   * compare with. The caller frees it: `batch.dispose()`.
   */
  async batch(step: number): Promise<LabelledBatch> {
    return (await this.#training()).batch(step);
  }

  /**
   * One update of the weights, by the step's own batch or a given one: forward, losses, gradients, AdamW.
   *
   * @returns losses and accuracy as means over the batch's sentences, the gradient's norm before clipping, the rate
   */
  async step(step: number, given?: LabelledBatch): Promise<StepReport> {
    const trainer = await this.#training();
    return given === undefined ? trainer.step(step) : trainer.update(step, given.batch, given.kinds);
  }

  /**
   * Trains for `training.steps` steps from the weights that the configuration starts from, and keeps log and weights in
   * data/runs/<id>. A training that was interrupted goes on from its checkpoint, a finished one is read. The model
   * answers with the trained weights from then on. A notebook's stop button, or Ctrl+C where signals are listened to
   * (`stopOnSignals`), ends it after the step, with a checkpoint.
   *
   * @returns the run's id, and the seconds that its training took
   * @throws UserError when it was interrupted, saying after which step
   */
  async train(): Promise<{ readonly run: string; readonly seconds: number }> {
    const { config, progress } = this;
    const { cache, tokenizer, sentences } = await this.data();
    const { scenes, prompt } = encodeScenes(sentences("train"), tokenizer, config);
    const run = RunFolder.open(newRun(config, this.ablation, this.engine));
    const stop = new AbortController();
    const forget = onInterrupt(() => stop.abort());
    try {
      const name = `${this.ablation} seed ${config.seed}`;
      const { signal } = stop;
      const { parameters, seconds } = await fineTune({ config, cache, scenes, prompt, run, name, progress, signal });
      this.dispose();
      this.#trainer = undefined;
      this.parameters = parameters;
      this.name = run.record.id;
      this.maxNewTokens = readMaxNewTokens(run.path);
      return { run: run.record.id, seconds };
    } finally {
      forget();
      run.close();
    }
  }

  /**
   * Picks the box that a sentence speaks of, among a scene's proposals. Only this scene is prepared.
   *
   * @param sceneId a scene of the model's data folder
   * @returns all boxes (centre and full size, metres, axis-aligned world) with their scores, the best first, and the
   * words that the model wrote
   * @throws UserError for a scene that is not there or offers no box, or an empty sentence
   */
  answer(sceneId: string, sentence: string): Promise<Grounding> {
    const { name, config, parameters, maxNewTokens, progress } = this;
    const folder = inProject(config.data.folder);
    return ask({ name, config, parameters, maxNewTokens }, folder, sceneId, sentence, progress);
  }

  /** Frees the weights and what the steps keep. */
  dispose(): void {
    if (this.#trainer === undefined) disposeParameters(this.parameters);
    else this.#trainer.dispose();
  }
}
