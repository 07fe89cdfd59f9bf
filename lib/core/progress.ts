/** What long work reports; the same events serve a terminal, a log file and a notebook cell. */
export interface Progress {
  readonly task: string;
  readonly done: number;
  readonly total: number;
  /** Short text behind the count, such as "loss 0.41". */
  readonly note?: string;
}

export type ProgressSink = (event: Progress) => void;

export const silent: ProgressSink = () => {};

function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  return s < 60 ? `${s}s` : `${Math.floor(s / 60)}m${String(s % 60).padStart(2, "0")}s`;
}

/** How long each task still takes, at its speed so far, or took: "2m10s left", "took 45s", or nothing to say yet. */
export function timeLeft(): (event: Progress) => string {
  const started = new Map<string, { at: number; done: number }>();
  return ({ task, done, total }) => {
    const now = Date.now() / 1000;
    if (!started.has(task)) started.set(task, { at: now, done });
    const { at, done: before } = started.get(task)!;
    if (done >= total) return `took ${clock(now - at)}`;
    // what a resumed task had done before took no time here
    return done > before ? `${clock(((now - at) / (done - before)) * (total - done))} left` : "";
  };
}

/**
 * A sink that writes to stderr: one updating line on a terminal, else a plain line every `everySeconds`.
 */
export function stderrProgress(everySeconds = 10): ProgressSink {
  const left = timeLeft();
  const shown = new Map<string, number>();
  const tty = process.stderr.isTTY === true;
  return ({ task, done, total, note }) => {
    const now = Date.now() / 1000;
    const eta = left({ task, done, total });
    const finished = done >= total;
    const interval = tty ? 0.2 : everySeconds;
    if (!finished && now - (shown.get(task) ?? -Infinity) < interval) return;
    shown.set(task, now);
    const line = `${task}  ${done}/${total}  ${eta}${note === undefined ? "" : `  ${note}`}`;
    process.stderr.write(tty ? `\r\x1b[K${line}${finished ? "\n" : ""}` : `${line}\n`);
  };
}
