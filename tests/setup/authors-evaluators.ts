/**
 * ScanRefer's and ReferIt3D's accuracies as Video-3D-LLM's evaluators count them, written from their rules: a line an
 * answer with two boxes of centre and size, `question_type`, and of ReferIt3D `view_dep`. Shares nothing with lib/eval.
 */
export interface EvaluatedLine {
  readonly sample_id: string;
  readonly pred_response: readonly number[];
  readonly gt_response: readonly number[];
  readonly question_type: string;
  readonly view_dep?: boolean;
  readonly dataset: string;
}

/** The eight corners of a box, in ScanRefer's order. */
function corners([x, y, z, dx, dy, dz]: readonly number[]): (readonly [number, number, number])[] {
  const signs = [
    [1, 1, 1],
    [1, -1, 1],
    [-1, -1, 1],
    [-1, 1, 1],
    [1, 1, -1],
    [1, -1, -1],
    [-1, -1, -1],
    [-1, 1, -1],
  ] as const;
  return signs.map(([a, b, c]) => [x! + (a * dx!) / 2, y! + (b * dy!) / 2, z! + (c * dz!) / 2]);
}

/** Overlap of two axis-aligned boxes given by their corners. */
function overlap(one: readonly number[], two: readonly number[]): number {
  const [a, b] = [corners(one), corners(two)];
  const volume = (low: readonly number[], high: readonly number[]): number =>
    [0, 1, 2].reduce((v, k) => v * Math.max(high[k]! - low[k]!, 0), 1);
  const least = (box: typeof a): number[] => [0, 1, 2].map((k) => Math.min(...box.map((c) => c[k]!)));
  const most = (box: typeof a): number[] => [0, 1, 2].map((k) => Math.max(...box.map((c) => c[k]!)));
  const [lowA, lowB, highA, highB] = [least(a), least(b), most(a), most(b)];
  const shared = volume(
    lowA.map((x, k) => Math.max(x, lowB[k]!)),
    highA.map((x, k) => Math.min(x, highB[k]!)),
  );
  return shared / (volume(lowA, highA) + volume(lowB, highB) - shared);
}

/** Percent of the lines whose boxes overlap by at least `threshold`; undefined where there is no line. */
function accuracy(lines: readonly EvaluatedLine[], threshold: number): number | undefined {
  if (lines.length === 0) return undefined;
  const hits = lines.filter((line) => overlap(line.pred_response, line.gt_response) >= threshold).length;
  return (100 * hits) / lines.length;
}

/** The figures of a set, under the names that a result row has for them. */
export function evaluateAs(lines: readonly EvaluatedLine[]): Record<string, number> {
  const of = (type: string): EvaluatedLine[] => lines.filter((line) => line.question_type === type);
  const figures = {
    acc25: accuracy(lines, 0.25),
    acc50: accuracy(lines, 0.5),
    unique25: accuracy(of("unique"), 0.25),
    unique50: accuracy(of("unique"), 0.5),
    multiple25: accuracy(of("multiple"), 0.25),
    multiple50: accuracy(of("multiple"), 0.5),
    easy25: accuracy(of("easy"), 0.25),
    hard25: accuracy(of("hard"), 0.25),
    dep25: accuracy(
      lines.filter((line) => line.view_dep === true),
      0.25,
    ),
    indep25: accuracy(
      lines.filter((line) => line.view_dep === false),
      0.25,
    ),
  };
  return Object.fromEntries(Object.entries(figures).flatMap(([key, v]) => (v === undefined ? [] : [[key, v]])));
}
