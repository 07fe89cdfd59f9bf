import { type ProgressSink, stderrProgress } from "../core/progress";
import { display, inNotebook } from "./mime";

/** Progress for a cell: one line that updates in place, removed when the work is done; stderr outside of a notebook. */
export function cellProgress(): ProgressSink {
  if (!inNotebook()) return stderrProgress();
  const shown = new Map<string, number>();
  return ({ task, done, total, note }) => {
    const first = !shown.has(task);
    const now = Date.now();
    if (!first && done < total && now - shown.get(task)! < 250) return;
    shown.set(task, now);
    const text = `${task}  ${done}/${total}${note === undefined ? "" : `  ${note}`}`;
    // at the end no time and no count of steps: a saved notebook is then the same after every run
    display({ "text/plain": done >= total ? `${task}: done` : text }, `progress-${task}`, !first);
  };
}
