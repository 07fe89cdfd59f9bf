/** What a notebook cell imports, `import { lab } from "./lib"`, and a program, `import { lab } from "s2mllm-lab"`. */
import { resolve } from "node:path";
import { UserError } from "./core/errors";
import { inProject } from "./core/root";
import { uniformFrames } from "./datasets/frame-sampling";
import { openScene, readWholeViews, type ScanNetScene } from "./datasets/scannet";
import type { View } from "./datasets/scene";
import type { Grounding } from "./eval/ask";
import type { ErrorCase } from "./eval/errors";
import type { Model, ModelRequest } from "./model-session";
import { show } from "./notebook/display";
import { cellProgress } from "./notebook/mime";
import { type Comparison, paperTable } from "./report/compare";
import { readExample, readTrainingRuns } from "./report/examples";
import { type SavedFigures, saveFigures } from "./report/export";
import { compareWithAnswers, errorCases, figures } from "./report/figure-set";
import type { Figure } from "./report/figures/theme";
import type { GroundingTable } from "./report/grounding";
import { kindTable } from "./report/kinds";
import { type PaperTable, paperTables } from "./report/paper";
import { departureTable, runTable } from "./report/sections";
import type { Table } from "./report/table";
import { type Prediction, readAnswers } from "./runs/answers";
import {
  type AttentionMap as AttentionData,
  type AttentionRequest,
  attentionScenes,
  readAttention,
} from "./runs/attention";
import { findRun, type StoredRun } from "./runs/folder";
import { readRows } from "./runs/results";
import { labelOf, latestRows, type ResultRow } from "./runs/row";
import { studies, studyNamed } from "./studies/definitions";
import type { Study, StudyRunOptions } from "./studies/types";

export type {
  AttentionData,
  Comparison,
  ErrorCase,
  Figure,
  Grounding,
  GroundingTable,
  Model,
  ModelRequest,
  PaperTable,
  Prediction,
  ResultRow,
  Study,
  StudyRunOptions,
  Table,
  View,
};

/** A scene and some of its views. */
export interface OpenScene extends ScanNetScene {
  readonly views: readonly View[];
}

/** Which finished rows; everything when a field is left out. */
export interface RowFilter {
  readonly preset?: string;
  /** As tables show it: "full" is the variant's own configuration, "full, training.steps=10" one with changes. */
  readonly variant?: string;
  readonly seed?: number;
  /** Name of the data set, such as "rooms/nano". */
  readonly data?: string;
  readonly proposals?: "gt" | "detector";
}

function results(study?: string, { variant, ...filter }: RowFilter = {}): ResultRow[] {
  const wanted = Object.entries(filter).filter(([, value]) => value !== undefined);
  return latestRows(readRows()).filter(
    (row) =>
      (study === undefined || row.study === study) &&
      (variant === undefined || labelOf(row) === variant) &&
      wanted.every(([key, value]) => row[key as keyof typeof filter] === value),
  );
}

/**
 * The lab: scenes, models, studies, their rows, the paper's tables, and figures.
 *
 * Reading never trains. `lab.study(name).run(...)` does what is missing; finished rows are read, not redone.
 */
export const lab = {
  /**
   * A scene of a data folder (ScanNet's layout, an export of it, or another that data/README.md names) with some
   * of its views, spread evenly over its frames; a damaged frame gives way to the nearest whole one.
   *
   * @param folder relative to the project
   * @param options `views` to read (8), each resized and cropped to a square of `size` pixels (224)
   * @returns objects with boxes (centre and full size, metres, axis-aligned world); of each view uint8[size, size, 3]
   * colours, float32[size, size] depth in metres (0: not measured), intrinsics, and the pose from camera to world
   * @throws UserError naming the file that is missing or damaged
   */
  async scene(folder: string, id: string, { views = 8, size = 224 } = {}): Promise<OpenScene> {
    const scene = openScene(inProject(folder), id);
    const frames = uniformFrames(scene.frames.length, views).map((i) => scene.frames[i]!);
    return { ...scene, views: (await readWholeViews(scene, frames, size)).views };
  },
  /**
   * A model, ready to make batches, step, train and answer: its engine is chosen and its weights are loaded, from
   * data/pretrained/<preset>, the folders that `checkpoints` names, or a finished run. Its data are opened when they
   * are needed.
   *
   * @param request such as `{ preset: "nano", ablation: "no-mpe", seed: 1, set: ["training.steps=200"] }`, or
   * `{ run: "3f2a" }`
   * @throws UserError when configuration or weights do not fit, naming what does not
   */
  async model(request: ModelRequest = {}): Promise<Model> {
    // loaded here: reading and drawing need no engine
    const { Model } = await import("./model-session");
    return Model.open({ progress: cellProgress(), ...request });
  },
  /** A study by name. @throws UserError listing the known ones */
  study(name: string) {
    const study = studyNamed(name);
    return {
      ...study,
      /** Its finished rows. */
      rows: (filter: RowFilter = {}): ResultRow[] => results(name, filter),
      /** Runs what is missing and returns all its rows. */
      run: async (options: StudyRunOptions): Promise<ResultRow[]> => {
        // loaded here: the engine is not needed to read and draw
        const { runStudy } = await import("./studies/run");
        return runStudy(name, { onProgress: cellProgress(), ...options });
      },
    };
  },
  studies: (): Study[] => Object.values(studies),
  /** Finished rows, of one study or of all. */
  results,
  /** The first finished run that fits. @throws UserError saying what to run */
  result(study: string, filter: RowFilter = {}): ResultRow {
    const [row] = results(study, filter);
    if (row === undefined) {
      const asked = Object.entries(filter)
        .map(([k, v]) => `${k} ${v}`)
        .join(", ");
      throw new UserError(
        `no finished run of ${study}${asked === "" ? "" : ` with ${asked}`}; make it with: npm start`,
      );
    }
    return row;
  },
  /** A run of this machine by its id, a unique beginning of it, or its folder. */
  run: (name: string): StoredRun => findRun(name),
  /** A run's single answers. @throws UserError when they were not kept */
  predictions(row: ResultRow): Prediction[] {
    const found = readAnswers(row);
    if (found === undefined) {
      throw new UserError(
        `the answers of ${row.study} ${row.variant}, seed ${row.seed}, ${row.proposals} boxes were not kept; ` +
          `run the study again`,
      );
    }
    return found;
  },
  /** A run's wrong answers and why they are wrong. */
  errors: (row: ResultRow): ErrorCase[] => errorCases(row, lab.predictions(row)),
  /** A scene that a run was evaluated on: objects, offered boxes, points. */
  example: readExample,
  /**
   * Answers one sentence on one scene; `lab.show` lists the best boxes and what the model wrote.
   *
   * @param run a run, its id or folder, or a folder of published weights; the last finished run when undefined
   * @param scene an id in the run's data folder, or of another one as `{ folder, id }`
   * @throws UserError for an empty sentence, an unknown scene, or a scene without boxes
   */
  async ask(
    run: StoredRun | string | undefined,
    scene: string | { readonly folder: string; readonly id?: string },
    sentence: string,
  ): Promise<GroundingTable> {
    // loaded here: the engine is not needed to read and draw
    const [{ chooseEngine }, { ask }, { groundingTable, openAnswerer }] = await Promise.all([
      import("./engine/choose"),
      import("./eval/ask"),
      import("./report/grounding"),
    ]);
    await chooseEngine();
    const answerer = openAnswerer(run);
    const at = typeof scene === "string" ? { folder: inProject(answerer.config.data.folder), id: scene } : scene;
    return groundingTable(await ask(answerer, resolve(at.folder), at.id, sentence, cellProgress()));
  },
  /** Inter-view attention of one patch. Without a request: of the first scene that has maps on file. */
  attention(request?: AttentionRequest): AttentionData {
    const chosen = request ?? attentionScenes()[0];
    if (chosen === undefined)
      throw new UserError("no attention map is on file yet; npm start makes them with the first trained model");
    return readAttention(chosen);
  },
  attentionScenes,
  /** Training logs on this machine. */
  training: readTrainingRuns,
  /** ours | ± | paper | difference | Δ | n, with intervals from the kept answers; of all variants, or of some. */
  compare: (rows: readonly ResultRow[], paper: PaperTable, only?: readonly string[]): Comparison =>
    compareWithAnswers(rows, paper, only),
  paper: paperTables,
  figures,
  tables: { paper: paperTable, departures: departureTable, runs: runTable, kinds: kindTable },
  /** Shows tables and figures under the cell. */
  show,
  /** Saves figures as JSON, HTML and PNG in data/local/report. */
  save: (...items: Figure[]): Promise<SavedFigures> => saveFigures(items),
} as const;
