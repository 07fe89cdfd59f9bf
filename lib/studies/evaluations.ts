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

/** Every evaluation by the name that rows give it (their `split`). */
export const evaluations = {
  /** ScanNet's name; of S2-Rooms these are the rooms that presets were chosen on: the dev split. */
  val: { about: "the held-out rooms of the run's own data; of S2-Rooms the dev split: everything is chosen on it" },
  test: { about: "fresh rooms of another seed, looked at once a run", fresh: true },
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

/** Where an evaluation's rooms lie, of a run that was trained on those in `folder`. */
export function evaluationFolder(folder: string, name: EvaluationName): string {
  const { rooms, fresh }: Evaluation = evaluations[name];
  return rooms === undefined ? `${folder}${fresh === true ? "-test" : ""}` : `data/rooms/${rooms}`;
}

/** The configuration that a trained run answers with: its own, on the evaluation's rooms and with its changes. */
export function evaluationConfig(config: S2Config, name: EvaluationName): S2Config {
  const { set }: Evaluation = evaluations[name];
  const folder = evaluationFolder(config.data.folder, name);
  return changedConfig(config, [`data.folder=${JSON.stringify(folder)}`, ...(set ?? [])]);
}
