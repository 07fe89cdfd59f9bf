import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveConfig } from "../../lib/config/resolve";
import type { S2Config } from "../../lib/config/schema";
import { silent } from "../../lib/core/progress";
import { encodeScenes } from "../../lib/dataloader/sentences";
import { RoomsConfig } from "../../lib/datasets/rooms/config";
import { makeRooms } from "../../lib/datasets/rooms/make";
import { chooseEngine } from "../../lib/engine/choose";
import { openSession, type Session } from "../../lib/eval/session";
import { Trainer } from "../../lib/train/trainer";
import { startingParameters } from "../../lib/weights/parameters";

/** One decoder layer and no reconstruction: little to compile in each process of a study. */
export const leastToCompile = [
  "data.frames=2",
  "data.pool=3",
  "language.layers=1",
  "lora.fullLayers=1",
  "reconstruction.enabled=false",
  "lossWeights.recon=0",
  "training.scenes=1",
];

/** Two training rooms and one test room of six frames, for the nano model with its pretrained weights. */
export interface TinyWorld {
  /** The data set. */
  readonly folder: string;
  /** What makes nano use it. */
  readonly set: readonly string[];
  /** nano on this data set. */
  config(change?: readonly string[], ablation?: string): S2Config;
  /** Opens the data of a configuration; prepared scenes are removed with the world. */
  session(config: S2Config): Promise<Session>;
  trainer(session: Session): Trainer;
  remove(): void;
}

/**
 * Makes the rooms and starts the engine with one thread.
 *
 * @param seed another one for each test file: prepared scenes of equal rooms are shared, and removed at the end
 */
export async function tinyWorld(seed: number, change: Partial<RoomsConfig> = {}): Promise<TinyWorld> {
  await chooseEngine({ threads: 1 });
  const top = mkdtempSync(join(tmpdir(), "s2-world-"));
  const folder = join(top, "rooms", "tiny");
  await makeRooms(
    folder,
    RoomsConfig.parse({
      name: "tiny",
      seed,
      trainRooms: 2,
      testRooms: 1,
      trainSentences: 6,
      testSentences: 6,
      frames: 6,
      lostPoseEvery: 0,
      layouts: 4,
      ...change,
    }),
    { workers: 1 },
  );
  const set = [`data.folder=${folder}`, "data.frames=4", "data.pool=6", "training.scenes=2", "training.sentences=4"];
  const sessions: Session[] = [];
  return {
    folder,
    set,
    config: (more = [], ablation) => resolveConfig({ preset: "nano", ablation, set: [...set, ...more] }),
    session: async (config) => {
      const session = await openSession(config, silent);
      sessions.push(session);
      return session;
    },
    trainer: (session) => {
      const { scenes, prompt } = encodeScenes(session.sentences("train"), session.tokenizer, session.config);
      return new Trainer(session.config, session.cache, scenes, prompt, startingParameters(session.config));
    },
    remove: () => {
      for (const { cache } of sessions) {
        rmSync(cache.folder, { recursive: true, force: true });
      }
      rmSync(top, { recursive: true });
    },
  };
}
