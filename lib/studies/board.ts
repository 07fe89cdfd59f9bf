import type { Progress } from "../core/progress";
import { type Job, jobName } from "./job";

type State = "waiting" | "running" | "finished" | "failed";

/** What the runs of a study are doing: arms by seeds, and how long the rest will take. */
export class Board {
  readonly #runs = new Map<string, { readonly job: Job; state: State; share: number }>();
  readonly #started = Date.now();

  /** @param finished jobs whose rows are there already */
  constructor(
    jobs: readonly Job[],
    finished: readonly Job[],
    private readonly processes: number,
  ) {
    const there = new Set(finished.map(jobName));
    for (const job of jobs)
      this.#runs.set(jobName(job), { job, state: there.has(jobName(job)) ? "finished" : "waiting", share: 0 });
  }

  set(job: Job, state: State): void {
    this.#runs.get(jobName(job))!.state = state;
  }

  /** Takes in what a run says of itself: its training counts, evaluations come in the last stretch. */
  hear(job: Job, { task, done, total }: Progress): void {
    const run = this.#runs.get(jobName(job))!;
    if (task === `${job.variant} seed ${job.seed}`) run.share = (0.9 * done) / total;
    else if (task.includes("evaluate")) run.share = Math.max(run.share, 0.9);
  }

  count(state: State): number {
    return [...this.#runs.values()].filter((run) => run.state === state).length;
  }

  /** Seconds until the last run ends, by what was done since the start; undefined before a run has got anywhere. */
  secondsLeft(): number | undefined {
    const own = [...this.#runs.values()].filter(({ state, share }) => state !== "finished" || share > 0);
    const done = own.reduce((sum, { state, share }) => sum + (state === "finished" ? 1 : share), 0);
    const left = own.reduce(
      (sum, { state, share }) => sum + (state === "waiting" || state === "running" ? 1 - share : 0),
      0,
    );
    if (done < 0.02) return undefined;
    const each = ((Date.now() - this.#started) / 1000) * (Math.min(this.processes, own.length) / done);
    return (each * left) / this.processes;
  }

  /** A line an arm: a mark a seed. · waiting, a share in percent while it runs, ✓ finished, ✗ failed. */
  lines(): string[] {
    const runs = [...this.#runs.values()];
    const width = Math.max(...runs.map(({ job }) => job.variant.length));
    const mark = ({ state, share }: (typeof runs)[number]): string =>
      state === "running" ? `${Math.floor(100 * share)}%` : { waiting: "·", finished: "✓", failed: "✗" }[state];
    const arms = [...new Set(runs.map(({ job }) => job.variant))].map((variant) => {
      const own = runs.filter(({ job }) => job.variant === variant).sort((a, b) => a.job.seed - b.job.seed);
      return `${variant.padEnd(width)}  ${own.map((run) => mark(run).padStart(3)).join(" ")}`;
    });
    return [...arms, this.summary()];
  }

  summary(): string {
    const left = this.secondsLeft();
    const failed = this.count("failed");
    return [
      `${this.count("finished")} of ${this.#runs.size} runs finished`,
      `${this.count("running")} running`,
      ...(failed === 0 ? [] : [`${failed} failed`]),
      ...(left === undefined
        ? []
        : [`about ${left < 5400 ? `${Math.ceil(left / 60)} min` : `${(left / 3600).toFixed(1)} h`} left`]),
    ].join(", ");
  }
}
