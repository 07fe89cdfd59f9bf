import { z } from "zod";
import { decodeStimulus } from "../datasets/referit3d";
import { type AccuracyAt, accuracyAt, referIt3dAccuracy, scanReferAccuracy, shareOf } from "../eval/accuracy";
import { isEasy, isViewDependent, multipleTargets, nyu40Classes, scanReferClasses } from "../eval/splits";
import { cornersOf, iou, iouExact } from "../geometry/box";
import { type Case, numbers, type Produced } from "./case";

const classTable = z.record(z.string(), z.number());
const ScanReferFacts = z.looseObject({
  rows: z.array(z.looseObject({ scene_id: z.string(), object_id: z.string(), object_name: z.string() })),
  raw2label_scanrefer: classTable,
  nyu40_of_name: classTable,
  valid_nyu40: z.array(z.number()),
  scanrefer_keys: z.array(z.string()),
  v3d_keys: z.array(z.string()),
});
const ReferIt3dFacts = z.looseObject({
  rows: z.array(
    z.looseObject({ stimulus_id: z.string(), tokens: z.array(z.string()), guessed_correctly: z.boolean() }),
  ),
  keys: z.array(z.string()),
  s2mllm_keys: z.array(z.string()),
});

const flags = (list: readonly boolean[]): Produced => numbers(list.map(Number));

/** scanrefer_eval: overlaps, hits, unique/multiple by two label tables, and the accuracies of both evaluators. */
export function runScanRefer(c: Case): Map<string, Produced> {
  const golden = c.facts(ScanReferFacts);
  const [predicted, truth] = [c.boxes("pred_boxes"), c.boxes("gt_boxes")];
  const targets = golden.rows.map((row) => ({
    sceneId: row.scene_id,
    objectId: row.object_id,
    objectName: row.object_name,
  }));
  const classOf = scanReferClasses(golden.raw2label_scanrefer);
  const ious = predicted.map((box, i) => iou(box, truth[i]!));
  const exact = predicted.map((box, i) => iouExact(box, truth[i]!));
  const multiple = multipleTargets(targets, classOf);
  const others = targets.map((target) => classOf(target.objectName) === 17);
  const multipleNyu = multipleTargets(targets, nyu40Classes(golden.nyu40_of_name, golden.valid_nyu40));

  const bySplit = (key: string): number => {
    const [group, kind, measure] = key.split("|") as [string, string, string];
    const inGroup = (i: number): boolean => group === "overall" || multiple[i]! === (group === "multiple");
    const inKind = (i: number): boolean => kind === "overall" || others[i]! === (kind === "in_others");
    const accuracy = accuracyAt(ious, (i) => inGroup(i) && inKind(i));
    return measure.includes("0.25") ? accuracy.acc25 : accuracy.acc50;
  };
  const v3d = scanReferAccuracy(ious, multipleNyu);
  const byName: Record<string, AccuracyAt> = { all: v3d.overall, unique: v3d.unique, multiple: v3d.multiple };
  const percent = (key: string): number => {
    const [group, measure] = key.split("|") as [string, string];
    return 100 * (measure.includes("0.25") ? byName[group]!.acc25 : byName[group]!.acc50);
  };
  return new Map([
    [
      "corners_pred",
      numbers(
        predicted.flatMap((box) => cornersOf(box).flat()),
        [predicted.length, 8, 3],
      ),
    ],
    ["iou", numbers(ious)],
    ["iou_no_eps", numbers(exact)],
    ["hit25", flags(ious.map((x) => x >= 0.25))],
    ["hit50", flags(ious.map((x) => x >= 0.5))],
    ["hit25_no_eps", flags(exact.map((x) => x >= 0.25))],
    ["hit50_no_eps", flags(exact.map((x) => x >= 0.5))],
    ["unique_multiple_scanrefer", flags(multiple)],
    ["others", flags(others)],
    ["unique_multiple_v3d", flags(multipleNyu)],
    ["scanrefer_acc", numbers(golden.scanrefer_keys.map(bySplit))],
    ["v3d_acc", numbers(golden.v3d_keys.map(percent))],
  ]);
}

/** referit3d_splits: easy/hard and view dependence, the reference's accuracies and S2-MLLM's counts. */
export function runReferIt3d(c: Case): Map<string, Produced> {
  const golden = c.facts(ReferIt3dFacts);
  const stimuli = golden.rows.map((row) => decodeStimulus(row.stimulus_id, "the goldens"));
  const easy = stimuli.map((stimulus) => isEasy(stimulus.count));
  const dependent = golden.rows.map((row) => isViewDependent(row.tokens));
  const right = golden.rows.map((row) => row.guessed_correctly);
  const [predicted, truth] = [c.boxes("pred_boxes"), c.boxes("gt_boxes")];
  const ious = predicted.map((box, i) => iouExact(box, truth[i]!));

  const masks: Record<string, (i: number) => boolean> = {
    hard: (i) => !easy[i]!,
    easy: (i) => easy[i]!,
    "v-dep": (i) => dependent[i]!,
    "v-indep": (i) => !dependent[i]!,
    all: () => true,
    "among-true": () => true,
  };
  const table = referIt3dAccuracy(ious, easy, dependent);
  const rows: Record<string, readonly [AccuracyAt, "acc25" | "acc50"]> = {
    Easy: [table.easy, "acc25"],
    Hard: [table.hard, "acc25"],
    Dep: [table.dependent, "acc25"],
    Indep: [table.independent, "acc25"],
    "Acc@25": [table.overall, "acc25"],
    "Acc@50": [table.overall, "acc50"],
  };
  const counts = golden.s2mllm_keys.flatMap((key) => {
    const [accuracy, at] = rows[key]!;
    return [Math.round(accuracy[at] * accuracy.n), accuracy.n];
  });
  return new Map([
    ["n_same_class", numbers(stimuli.map((s) => s.count))],
    ["target_id", numbers(stimuli.map((s) => s.targetId))],
    ["easy", flags(easy)],
    ["view_dependent", flags(dependent)],
    ["accuracy", numbers(golden.keys.map((key) => 100 * shareOf(right, masks[key]).share))],
    ["s2mllm_counts", numbers(counts, [golden.s2mllm_keys.length, 2])],
  ]);
}
