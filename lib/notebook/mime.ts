import { type ProgressSink, stderrProgress, timeLeft } from "../core/progress";

/** One output in several forms, richest first chosen by whoever shows it: MIME type → content. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** Where a notebook's outputs go. */
export interface NotebookOutput {
  show(bundle: MimeBundle, displayId?: string, update?: boolean): void;
  /** Removes what the cell has shown; `wait`: only when it shows something new. */
  clear(wait: boolean): void;
}

let output: NotebookOutput | undefined;

/** Set by the kernel when it starts; absent outside of a notebook. */
export function setNotebookOutput(next: NotebookOutput): void {
  output = next;
}

export function inNotebook(): boolean {
  return output !== undefined;
}

/** Clears the running cell's output; nothing outside of a notebook. `wait`: as its next output comes. */
export function clearOutput(wait = false): void {
  output?.clear(wait);
}

/** Shows a bundle under the running cell, or prints its plain text outside of a notebook. */
export function display(bundle: MimeBundle, displayId?: string, update = false): void {
  if (output !== undefined) output.show(bundle, displayId, update);
  else process.stdout.write(`${String(bundle["text/plain"] ?? "")}\n`);
}

/** Progress for a cell: one line that updates in place and ends as "done"; stderr outside of a notebook. */
export function cellProgress(): ProgressSink {
  if (!inNotebook()) return stderrProgress();
  const shown = new Map<string, number>();
  const left = timeLeft();
  return ({ task, done, total, note }) => {
    const first = !shown.has(task);
    const now = Date.now();
    if (!first && done < total && now - shown.get(task)! < 250) return;
    shown.set(task, now);
    const text = [task, `${done}/${total}`, left({ task, done, total }), note].filter(Boolean).join("  ");
    // at the end no time and no count of steps: a saved notebook is then the same after every run
    display({ "text/plain": done >= total ? `${task}: done` : text }, `progress-${task}`, !first);
  };
}
