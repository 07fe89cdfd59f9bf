import type { MetricsLine } from "./metrics-log";

/** Accuracy of a training batch's sentences of a kind from which the kind counts as learnt. */
const learnt = 0.8;
/** Lines of the log that a mean is taken over: a batch holds few sentences of a rare kind. */
const window = 5;

/**
 * Step at which each kind of sentence was learnt: the last step of the first window of log lines whose mean training
 * accuracy is 80 % or more, and from which on it stays so on average; null where the run ended before (censored).
 */
export function transitionsOf(lines: readonly MetricsLine[]): Record<string, number | null> {
  const prefix = "accuracy/";
  const kinds = [...new Set(lines.flatMap((line) => Object.keys(line)))].filter((key) => key.startsWith(prefix)).sort();
  return Object.fromEntries(
    kinds.map((key) => {
      const values = lines.flatMap((line) => (line[key] === undefined ? [] : [{ step: line.step, value: line[key] }]));
      const mean = (from: number, to: number): number =>
        values.slice(from, to).reduce((sum, { value }) => sum + value, 0) / (to - from);
      for (let at = 0; at + window <= values.length; at++)
        if (mean(at, at + window) >= learnt && mean(at, values.length) >= learnt)
          return [key.slice(prefix.length), values[at + window - 1]!.step];
      return [key.slice(prefix.length), null];
    }),
  );
}
