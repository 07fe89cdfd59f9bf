import { mean } from "../../core/averages";
import type { Progress } from "../../core/progress";
import type { TrainingRun } from "../../train/metrics-log";
import { trainingFigure } from "../figures/training";

/** A variant with a seed: one cell of the page's table. */
export interface Arm {
  readonly variant: string;
  readonly seed: number;
}

/** What a command knows of its arms besides what it reports: read anew for every update. */
export interface Known {
  /** Acc@0.25 of an arm that is evaluated, percent. */
  readonly accuracy: (arm: Arm) => number | undefined;
  readonly training: readonly TrainingRun[];
  readonly signatures: readonly string[];
}

/** "stopped": the command has ended before the arm did, by an interrupt or an error; it goes on when run again. */
export type ArmState = "waiting" | "running" | "stopped" | "finished";

export interface LiveArm extends Arm {
  readonly state: ArmState;
  /** What runs, such as "training" or "evaluate (gt proposals)", with its count. */
  readonly doing?: string;
  readonly done?: number;
  readonly total?: number;
  readonly note?: string;
  /** Seconds until what runs is done. */
  readonly left?: number;
  readonly accuracy?: number;
}

/** One update of the page. */
export interface LiveState {
  readonly title: string;
  readonly over: boolean;
  readonly arms: readonly LiveArm[];
  /** Work that belongs to no arm, such as preparing scenes. */
  readonly other?: string;
  /** Seconds until all trainings are done, about; undefined before the first arm has a pace. */
  readonly left?: number;
  readonly signatures: readonly string[];
  /** Curves, as plotly's data and layout. */
  readonly figure: { readonly data: unknown; readonly layout: unknown };
}

/** Points of a curve that the page draws. */
const mostPoints = 400;

/** Every n-th line, the last one among them. */
function thinned({ metrics, ...run }: TrainingRun): TrainingRun {
  const stride = Math.ceil(metrics.length / mostPoints);
  return { ...run, metrics: metrics.filter((_, i) => (metrics.length - 1 - i) % stride === 0) };
}

interface Task extends Progress {
  /** When it was first and last heard of, milliseconds. */
  readonly begun: number;
  readonly heard: number;
  /** Where it stood when it was first heard of: a resumed training does not begin at 0. */
  readonly from: number;
}

/** Seconds that a task still needs at its pace so far. */
function leftOf({ done, total, begun, heard, from }: Task): number | undefined {
  if (done >= total) return 0;
  return done > from ? (((heard - begun) / (done - from)) * (total - done)) / 1000 : undefined;
}

/** Follows a command's progress events; arms are told by the task's name, "no-mpe seed 1, …". */
export class LiveRun {
  readonly #tasks = new Map<string, Task>();
  #other: Progress | undefined;

  /** @param side how many arms run side by side */
  constructor(
    readonly title: string,
    readonly arms: readonly Arm[],
    readonly side: number,
  ) {}

  hear(event: Progress, now = Date.now()): void {
    const arm = this.arms.find((a) => nameOf(a) === event.task || event.task.startsWith(`${nameOf(a)}, `));
    if (arm === undefined) {
      this.#other = event.done < event.total ? event : undefined;
      return;
    }
    const before = this.#tasks.get(nameOf(arm));
    const same = before?.task === event.task;
    const [begun, from] = same ? [before.begun, before.from] : [now, event.done];
    this.#tasks.set(nameOf(arm), { ...event, begun, heard: now, from });
  }

  /** @param over whether the command has ended */
  state({ accuracy, training, signatures }: Known, over = false): LiveState {
    const arms = this.arms.map((arm): LiveArm => {
      const task = this.#tasks.get(nameOf(arm));
      const reached = accuracy(arm);
      if (reached !== undefined) return { ...arm, state: "finished", accuracy: reached };
      if (task === undefined) return { ...arm, state: "waiting" };
      const { done, total, note } = task;
      if (over && done >= total) return { ...arm, state: "finished" };
      const left = over ? undefined : leftOf(task);
      return {
        ...arm,
        state: over ? "stopped" : "running",
        doing: task.task === nameOf(arm) ? "training" : task.task.slice(nameOf(arm).length + 2),
        done,
        total,
        ...(note === undefined ? {} : { note }),
        ...(left === undefined ? {} : { left }),
      };
    });
    const left = this.#left(arms);
    const other = this.#other;
    const { data, layout } = trainingFigure(training.map(thinned));
    return {
      title: this.title,
      over,
      arms,
      ...(other === undefined ? {} : { other: `${other.task} ${other.done}/${other.total}` }),
      ...(left === undefined ? {} : { left }),
      signatures,
      figure: { data, layout },
    };
  }

  /** Of all trainings, from the pace of those that have one. */
  #left(arms: readonly LiveArm[]): number | undefined {
    const paced = arms.filter(({ left, doing }) => left !== undefined && doing === "training");
    if (paced.length === 0) return arms.every(({ state }) => state === "finished") ? 0 : undefined;
    const running = paced.reduce((sum, { left }) => sum + left!, 0);
    const whole = paced.map(({ done, total, ...arm }) => {
      const { begun, heard, from } = this.#tasks.get(nameOf(arm))!;
      return (((heard - begun) / (done! - from || 1)) * total!) / 1000;
    });
    const waiting = arms.filter(({ state }) => state === "waiting").length;
    return (running + waiting * mean(whole)) / Math.min(this.side, paced.length + waiting);
  }
}

/** How commands name an arm's tasks. */
export const nameOf = ({ variant, seed }: Arm): string => `${variant} seed ${seed}`;
