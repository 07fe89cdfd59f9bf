/** What a notebook cell imports, `import { lab } from "./lib"`, and a program, `import { lab } from "s2mllm-lab"`. */
import { resolve } from "node:path";
import { savedBenches } from "./bench/save";
import { benchTable } from "./bench/table";
import { resolveConfig } from "./config/resolve";
import { UserError } from "./core/errors";
import { inProject } from "./core/root";
import { uniformFrames } from "./datasets/frame-sampling";
import { openScene, readWholeViews, type ScanNetScene } from "./datasets/scannet";
import type { View } from "./datasets/scene";
import type { Grounding } from "./eval/ask";
import type { Correspondence } from "./eval/correspondence";
import { type ErrorCase, perfectScore } from "./eval/errors";
import type { PointmapProbe } from "./eval/pointmap-probe";
import type { Model, ModelRequest } from "./model-session";
import { type Shown, show } from "./notebook/display";
import { watchTraining } from "./notebook/live-training";
import { cellProgress, clearOutput } from "./notebook/mime";
import { type Comparison, paperTable } from "./report/compare";
import { effectTable } from "./report/effects";
import { readExample, readTrainingRuns } from "./report/examples";
import type { Explorer } from "./report/explorer/page";
import { type SavedFigures, saveFigures } from "./report/export";
import { compareWithAnswers, errorCases, figures, keptAnswers } from "./report/figure-set";
import type { Figure } from "./report/figures/theme";
import {
  attentionFindings,
  costFindings,
  effectFindings,
  errorFindings,
  type Findings,
  kindFindings,
  missingFindings,
  proposalFindings,
  transferFindings,
  viewFindings,
} from "./report/findings";
import type { GroundingTable } from "./report/grounding";
import { kindTable } from "./report/kinds";
import { type PaperTable, paperTables } from "./report/paper";
import { checkTable, parametersTable } from "./report/plain-tables";
import type { Probed } from "./report/probes";
import { departureTable, runTable } from "./report/sections";
import { studyTables } from "./report/study-tables";
import type { Table } from "./report/table";
import { type Prediction, readAnswers } from "./runs/answers";
import {
  type AttentionMap as AttentionData,
  type AttentionRequest,
  attentionScenes,
  readAttention,
} from "./runs/attention";
import { describeRun, findRun, type StoredRun } from "./runs/folder";
import { readRows } from "./runs/results";
import { labelOf, latestRows, type ResultRow } from "./runs/row";
import { studies, studyNamed } from "./studies/definitions";
import type { StudyRunOptions } from "./studies/run";
import type { Study } from "./studies/types";
import { type ParameterTable, parameterTable } from "./weights/describe";

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

/** Which rows a notebook shows, and whether it may train them. */
export interface NotebookRows {
  readonly train?: boolean;
  readonly preset?: string;
  /** Of runs that are trained. */
  readonly seeds?: readonly number[];
  /** All of the study when absent. */
  readonly variants?: readonly string[];
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

const runsNamed = (runs: readonly (StoredRun | string)[]): StoredRun[] =>
  runs.map((run) => (typeof run === "string" ? findRun(run) : run));

/**
 * The lab: scenes, models, studies, their rows, the paper's tables, and figures.
 *
 * Reading never trains. `lab.study(name).run(...)` does what is missing; finished rows are read, not redone.
 */
export const lab = {
  /**
   * A scene of a data folder (ScanNet's layout, an export of it, or another that data/README.md names) with some
   * of its views, spread evenly over its frames; a damaged frame gives way to the nearest whole one. A room of S2-Rooms
   * that is not there yet is made.
   *
   * @param folder relative to the project
   * @param options `views` to read (8), each resized and cropped to a square of `size` pixels (224)
   * @returns objects with boxes (centre and full size, metres, axis-aligned world); of each view uint8[size, size, 3]
   * colours, float32[size, size] depth in metres (0: not measured), intrinsics, and the pose from camera to world
   * @throws UserError naming the file that is missing or damaged
   */
  async scene(folder: string, id: string, { views = 8, size = 224 } = {}): Promise<OpenScene> {
    const { makeNamedRoom } = await import("./datasets/rooms/make");
    const scene = openScene(inProject(await makeNamedRoom(folder, id)), id);
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
      /** In the paper's own layout beside the paper's figures; "not run" with its cost where there is no row. */
      tables: (rows: readonly ResultRow[] = results(name)): Table[] => studyTables(study, rows),
      /** Runs what is missing, in a notebook with live curves, and returns all its rows. */
      run: async (options: StudyRunOptions): Promise<ResultRow[]> => {
        // loaded here: the engine is not needed to read and draw
        const { runStudy } = await import("./studies/run");
        const { progress, end } = watchTraining();
        try {
          return await runStudy(name, { onProgress: progress, ...options });
        } finally {
          await end();
        }
      },
    };
  },
  studies: (): Study[] => Object.values(studies),
  /**
   * The finished rows of a study's variants, of all seeds. With `train`, what is missing of `seeds` is trained first,
   * as `lab.study(name).run` does it.
   */
  async rows(
    study: string,
    { train = false, preset = "nano", seeds = [0], variants }: NotebookRows = {},
  ): Promise<ResultRow[]> {
    if (train) await lab.study(study).run({ preset, seeds, ...(variants === undefined ? {} : { variants }) });
    return results(study, { preset }).filter((row) => variants?.includes(labelOf(row)) ?? true);
  },
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
   * Answers one sentence on one scene; `lab.show` opens the views with boxes, the scene in 3D, scores and words.
   *
   * @param run a run, its id or folder, or a folder of published weights; the last finished run when undefined
   * @param scene an id in the run's data folder, or of another one as `{ folder, id }`
   * @throws UserError for an empty sentence, an unknown scene, or a scene without boxes
   */
  async ask(
    run: StoredRun | string | undefined,
    scene: string | { readonly folder: string; readonly id?: string },
    sentence: string,
  ): Promise<GroundingTable & Explorer> {
    // loaded here: the engine is not needed to read and draw
    const [{ chooseEngine }, { ask }, { groundingPage, groundingTable, openAnswerer }] = await Promise.all([
      import("./engine/choose"),
      import("./eval/ask"),
      import("./report/grounding"),
    ]);
    await chooseEngine();
    const answerer = openAnswerer(run);
    const at = typeof scene === "string" ? { folder: inProject(answerer.config.data.folder), id: scene } : scene;
    const answer = await ask(answerer, resolve(at.folder), at.id, sentence, cellProgress());
    return { ...groundingTable(answer), page: await groundingPage(answer) };
  },
  /**
   * A page of one run's answers, or of two runs' side by side: a list to filter and, for each answer, its views with
   * boxes, the scene in 3D and the scores. The pictures of the first `scenes` rooms are in it, 100 kB each.
   *
   * @throws UserError when the rows cannot be compared, or their data set or answers are not here
   */
  async explore(rows: ResultRow | readonly [ResultRow, ResultRow], { scenes = 4 } = {}): Promise<Explorer> {
    const { answersOfRuns } = await import("./report/explorer/run-answers");
    const shown = "run" in rows ? [rows] : rows;
    const title = `Answers of ${shown.map((row) => `${labelOf(row)}, seed ${row.seed}`).join(" and ")}`;
    return { title, page: await answersOfRuns(shown, { scenes, progress: cellProgress() }) };
  },
  /**
   * A page of all attention of one run, or of two side by side, in a scene: where patches of a view look in the others
   * and in their own, and where words look, per head and layer. Computed from the runs' weights.
   *
   * @param run one or two of this machine's runs by id or a beginning of it; the last finished one unless given
   * @param scene a test scene; the first unless given
   * @param sentence words of the scene's sentence to take; its first unless given
   * @throws UserError saying which command trains a run, when none is here
   */
  async attention(
    run?: StoredRun | string | readonly (StoredRun | string)[],
    scene?: string,
    sentence?: string,
  ): Promise<Explorer> {
    const [{ chooseEngine }, { attentionOfRuns }, { lastTrained }] = await Promise.all([
      import("./engine/choose"),
      import("./report/explorer/run-attention"),
      import("./report/grounding"),
    ]);
    const named = [run ?? []].flat();
    const runs = runsNamed(named.length === 0 ? [lastTrained()] : named);
    await chooseEngine();
    const title = `Attention of ${runs.map(({ record }) => describeRun(record)).join(" and ")}`;
    return { title, page: await attentionOfRuns(runs, { sceneId: scene, sentence, progress: cellProgress() }) };
  },
  /** What trained runs know of geometry, computed from their weights; runs by id, beside each other. */
  probes: {
    /** Linear probe: frozen projected tokens → local pointmap, on rooms that it was not fitted on. */
    async pointmap(...runs: (StoredRun | string)[]): Promise<Probed<PointmapProbe>> {
      const [{ chooseEngine }, { pointmapProbes }] = await Promise.all([
        import("./engine/choose"),
        import("./report/probes"),
      ]);
      await chooseEngine();
      return pointmapProbes(runsNamed(runs), { progress: cellProgress() });
    },
    /** Weight of inter-view attention on views that show the same place, per head. */
    async correspondence(...runs: (StoredRun | string)[]): Promise<Probed<Correspondence>> {
      const [{ chooseEngine }, { correspondences }] = await Promise.all([
        import("./engine/choose"),
        import("./report/probes"),
      ]);
      await chooseEngine();
      return correspondences(runsNamed(runs), { progress: cellProgress() });
    },
  },
  /** Kept inter-view attention of one patch; without a request, of the first scene that has maps on file. */
  attentionMap(request?: AttentionRequest): AttentionData {
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
  tables: {
    paper: paperTable,
    departures: departureTable,
    runs: runTable,
    kinds: kindTable,
    effects: (rows: readonly ResultRow[], reference?: string): Table => effectTable(rows, keptAnswers, reference),
    parameters: parametersTable,
    /** Each machine's measurements of the engines beside PyTorch. */
    benches: (): Table[] => savedBenches().map(benchTable),
  },
  /** What rows and figures say, in sentences with their numbers. */
  findings: {
    effects: effectFindings,
    kinds: kindFindings,
    views: viewFindings,
    attention: attentionFindings,
    errors: (row: ResultRow, cases: readonly ErrorCase[]): Findings =>
      errorFindings(row, cases, perfectScore(lab.predictions(row))),
    proposals: proposalFindings,
    cost: costFindings,
    transfer: transferFindings,
    missing: missingFindings,
  },
  /** Parameters of a preset, or of an ablation of it, by what trains them; allocates none. */
  parameters: (preset: string, ablation?: string): ParameterTable =>
    parameterTable(resolveConfig({ preset, ...(ablation === undefined ? {} : { ablation }) })),
  /** Opens everything in a data folder and says what was recognised, what is missing and what is wrong. */
  async check(folder: string): Promise<Table> {
    const { checkScans } = await import("./datasets/check");
    return checkTable(folder, await checkScans(inProject(folder), 112, cellProgress()));
  },
  /** Shows tables, figures and explorers under the cell. */
  show,
  /** Takes away what the cell has shown; `true`: only as something new is shown. Nothing outside of a notebook. */
  clear: clearOutput,
  /** What `make` gives, or, where something for it is missing, a note that says which command makes that. */
  async ifThere<T extends Shown>(make: () => T | Promise<T>): Promise<T | { readonly markdown: string }> {
    try {
      return await make();
    } catch (error) {
      if (error instanceof UserError) return { markdown: `*${error.message}*` };
      throw error;
    }
  },
  /** Saves figures as JSON, HTML and PNG in data/local/report. */
  save: (...items: Figure[]): Promise<SavedFigures> => saveFigures(items),
} as const;
