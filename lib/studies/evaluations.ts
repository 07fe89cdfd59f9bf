import { changedConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";

/** What a trained run is asked. */
export interface Evaluation {
  readonly about: string;
  /** Rooms below data/rooms; "-test" behind the name of the rooms that the run was trained on where `fresh` is set. */
  readonly rooms?: string;
  /** Test rooms of another seed than the run's own, on which nothing was chosen. */
  readonly fresh?: true;
  /** Values changed at inference alone. */
  readonly set?: readonly string[];
}

type Scaled<E extends string, F extends number> = Record<`test-${E}-x${F}`, Evaluation>;

/** Test rooms with an encoding scaled at inference alone, by several factors. */
function scales<E extends "phi" | "psi", F extends number>(name: E, path: string, factors: readonly F[]): Scaled<E, F> {
  const made = factors.map((factor) => {
    const about = `test rooms, ${name === "phi" ? "φ" : "ψ"} by the factor ${factor} at inference, however it trained`;
    return [`test-${name}-x${factor}`, { about, fresh: true, set: [`${path}=${factor}`] } satisfies Evaluation];
  });
  return Object.fromEntries(made) as Scaled<E, F>;
}

/** Every evaluation by the name that rows give it (their `split`). */
export const evaluations = {
  /** ScanNet's name; of S2-Rooms these are the rooms that presets were chosen on: the dev split. */
  val: { about: "the held-out rooms of the run's own data; of S2-Rooms the dev split: everything is chosen on it" },
  test: { about: "fresh rooms of another seed, looked at once a run", fresh: true },
  "arkit-like": {
    about: "other rooms, a phone's narrow view, poor depth and poses; never trained on",
    rooms: "arkit-like",
  },
  "multiscan-like": {
    about: "larger, fuller rooms, low furniture, a wide view; never trained on",
    rooms: "multiscan-like",
  },
  street: { about: "as large as a street: beyond the 15 m at which φ ends; never trained on", rooms: "street" },
  "noise-10": { about: "test rooms, boxes off by 0.1 of their edge", rooms: "noise-10" },
  "noise-20": { about: "test rooms, boxes off by 0.2 of their edge", rooms: "noise-20" },
  "noise-40": { about: "test rooms, boxes off by 0.4 of their edge", rooms: "noise-40" },
  misses: { about: "test rooms, a third of the objects not offered", rooms: "misses" },
  duplicates: { about: "test rooms, every object offered twice", rooms: "duplicates" },
  "split-distant": {
    about: "four distant frames, the class in one and what tells the object apart in another; never trained on",
    rooms: "split-distant",
    // the rooms' own frames, each once
    set: ["data.pool=4", "data.evaluationFrames=4"],
  },
  "split-adjacent": {
    about: "six frames that overlap, the class in one and what tells the object apart in another; never trained on",
    rooms: "split-adjacent",
    set: ["data.pool=6", "data.evaluationFrames=6"],
  },
  mislabelled: {
    about: "rooms in which a tenth of the annotations name a wrong object: what a perfect model would score",
    rooms: "mislabelled-test",
  },
  "test-phi-off": {
    about: "test rooms, φ at zero at inference alone",
    fresh: true,
    set: ["positions.coordinates=false"],
  },
  "test-psi-off": { about: "test rooms, ψ at zero at inference alone", fresh: true, set: ["positions.rays=false"] },
  "test-mpe-off": {
    about: "test rooms, φ and ψ at zero at inference alone",
    fresh: true,
    set: ["positions.coordinates=false", "positions.rays=false"],
  },
  ...scales("phi", "positions.coordinateScale", [0.3, 3, 10]),
  ...scales("psi", "positions.rayScale", [0.3, 3, 10]),
  "test-nr3d": { about: "test rooms, sentences in Nr3D's file", fresh: true, set: ['data.sentences=["nr3d"]'] },
  "test-sr3d": { about: "test rooms, sentences in Sr3D's file", fresh: true, set: ['data.sentences=["sr3d"]'] },
  "test-gold": {
    about: "test rooms, the true class in front of <ground>",
    fresh: true,
    set: ["prompt.evaluation=gold"],
  },
  "test-object": {
    about: 'test rooms, the word "object" in front of <ground>',
    fresh: true,
    set: ["prompt.evaluation=object"],
  },
} as const satisfies Record<string, Evaluation>;
export type EvaluationName = keyof typeof evaluations;

/**
 * The data that an evaluation asks about.
 *
 * @param folder of the data that the run was trained on
 * @param name a row's `split`; one that is not known is of the run's own data
 */
export function evaluationFolder(folder: string, name: string): string {
  const known: Evaluation = Object.hasOwn(evaluations, name)
    ? evaluations[name as EvaluationName]
    : { about: "a split of the run's own data" };
  if (known.rooms !== undefined) return `data/rooms/${known.rooms}`;
  return known.fresh === true ? `${folder}-test` : folder;
}

/** The configuration that a trained run answers with: its own, on the evaluation's rooms and with its changes. */
export function evaluationConfig(config: S2Config, name: EvaluationName): S2Config {
  const { set = [] }: Evaluation = evaluations[name];
  const folder = evaluationFolder(config.data.folder, name);
  return changedConfig(config, [`data.folder=${JSON.stringify(folder)}`, ...set]);
}
