import { type ProgressSink, stderrProgress } from "../core/progress";
import { readTrainingRuns } from "../report/examples";
import { trainingFigure } from "../report/figures/training";
import { figureBundle } from "./display";
import { figureHtml } from "./live-html";
import { cellProgress, display, inNotebook } from "./mime";

/** Milliseconds between two states of the curves. */
const redrawEvery = 4000;
let watched = 0;

/**
 * Progress of a study for a cell: a line for each run with the time that is left, and the curves of the runs under way,
 * which are drawn anew in place every few seconds and once more, with their picture, at the end.
 */
export function watchTraining(): { readonly progress: ProgressSink; readonly end: () => Promise<void> } {
  if (!inNotebook()) return { progress: stderrProgress(), end: async () => {} };
  const id = `training-${++watched}`;
  const since = Date.now();
  const lines = cellProgress();
  let drawn = 0;
  const curves = () => trainingFigure(readTrainingRuns(since));
  return {
    progress(event) {
      lines(event);
      if (Date.now() - drawn < redrawEvery || readTrainingRuns(since).length === 0) return;
      const figure = curves();
      display({ "text/html": figureHtml(figure), "text/plain": figure.alt }, id, drawn > 0);
      drawn = Date.now();
    },
    async end() {
      if (drawn > 0) display(await figureBundle(curves()), id, true);
    },
  };
}
