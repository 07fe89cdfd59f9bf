/** Share of `hits` among the entries that `include` marks; 0 when there are none, as ScanRefer's evaluator prints. */
export function shareOf(
  hits: readonly boolean[],
  include: (index: number) => boolean = () => true,
): { share: number; n: number } {
  let [n, right] = [0, 0];
  hits.forEach((hit, i) => {
    if (!include(i)) return;
    n += 1;
    if (hit) right += 1;
  });
  return { share: n === 0 ? 0 : right / n, n };
}

export interface AccuracyAt {
  /** Shares of answers with an overlap of at least 0.25 and 0.5, in 0..1. */
  readonly acc25: number;
  readonly acc50: number;
  readonly n: number;
}

/** Acc@0.25 and Acc@0.5 of overlaps; both thresholds count as hits. */
export function accuracyAt(ious: readonly number[], include?: (index: number) => boolean): AccuracyAt {
  const at = (threshold: number): { share: number; n: number } =>
    shareOf(
      ious.map((iou) => iou >= threshold),
      include,
    );
  const { share: acc25, n } = at(0.25);
  return { acc25, acc50: at(0.5).share, n };
}

export interface ScanReferAccuracy {
  readonly overall: AccuracyAt;
  readonly unique: AccuracyAt;
  readonly multiple: AccuracyAt;
}

/** ScanRefer's table row. @param multiple whether the target's class occurs more than once in its scene */
export function scanReferAccuracy(ious: readonly number[], multiple: readonly boolean[]): ScanReferAccuracy {
  return {
    overall: accuracyAt(ious),
    unique: accuracyAt(ious, (i) => !multiple[i]!),
    multiple: accuracyAt(ious, (i) => multiple[i]!),
  };
}

export interface ReferIt3dAccuracy {
  readonly overall: AccuracyAt;
  readonly easy: AccuracyAt;
  readonly hard: AccuracyAt;
  readonly dependent: AccuracyAt;
  readonly independent: AccuracyAt;
}

/** ReferIt3D's table row: by number of distractors, and by whether the sentence depends on the view. */
export function referIt3dAccuracy(
  ious: readonly number[],
  easy: readonly boolean[],
  viewDependent: readonly boolean[],
): ReferIt3dAccuracy {
  return {
    overall: accuracyAt(ious),
    easy: accuracyAt(ious, (i) => easy[i]!),
    hard: accuracyAt(ious, (i) => !easy[i]!),
    dependent: accuracyAt(ious, (i) => viewDependent[i]!),
    independent: accuracyAt(ious, (i) => !viewDependent[i]!),
  };
}
