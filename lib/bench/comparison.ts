import { median } from "../core/averages";
import { UserError } from "../core/errors";
import { difference, tolerance } from "./agreement";
import { type BenchEngine, baselinesOf, entryOf, usesThreads } from "./engines";
import type { Answers, Operation } from "./messages";
import { isProduct } from "./profile";
import type { BenchRow, Refusal } from "./rows";
import { type Rounds, ratioOf } from "./statistics";
import type { Kind, Size } from "./task";
import { type Launch, WorkerProcess } from "./worker-process";

/** How long is measured. */
export interface Effort {
  /** Rounds; in each one every worker has a turn. */
  readonly rounds: number;
  /** Seconds that a turn aims at; it has one step at least. */
  readonly seconds: number;
}

/** A step of more than this many seconds is done in two rounds only. */
const SLOW = 8;

/** Sides of the square matrices whose product shows the machine's best. */
const SGEMM: Readonly<Record<Size, readonly number[]>> = { full: [1024, 2048], tiny: [64] };

/** One side of a comparison before it has started. */
export interface Member {
  readonly engine: BenchEngine;
  readonly threads: number;
  readonly launch: Launch;
}

export interface ComparisonPlan {
  readonly task: string;
  readonly size: Size;
  readonly kind: Kind;
  readonly folder: string;
  readonly comparedSteps: number;
  readonly members: readonly Member[];
}

interface Participant extends Member {
  readonly worker: WorkerProcess;
  readonly prepared: Answers["prepare"];
  readonly difference: number | null;
  steps: number;
  rounds: number;
  readonly turns: number[][];
  runMs: number | undefined;
  bytesPerStep: number | undefined;
}

/** Workers of one task that are measured side by side, taking turns. */
export class Comparison {
  readonly rows: BenchRow[] = [];
  readonly refusals: Refusal[] = [];
  readonly #participants: Participant[] = [];

  constructor(
    private readonly plan: ComparisonPlan,
    private readonly effort: Effort,
    private readonly stop: AbortSignal,
    private readonly onTurn: () => void,
  ) {}

  #refuse({ engine, threads }: Member, why: string, differs = false): void {
    const { task, kind } = this.plan;
    this.refusals.push({ task, kind, engine, threads, why, differs });
  }

  /** Takes a worker that fails out of the comparison; the others go on. */
  async #attempt<T>(member: Member, worker: WorkerProcess, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      worker.stop();
      const at = this.#participants.findIndex((r) => r.worker === worker);
      if (at >= 0) this.#participants.splice(at, 1);
      this.#refuse(member, (error as Error).message.split("\n")[0]!);
      return undefined;
    }
  }

  async run(): Promise<void> {
    const end = (): void => this.#participants.forEach(({ worker }) => worker.stop());
    this.stop.addEventListener("abort", end);
    try {
      await this.#prepare();
      await this.#measure();
      await this.#finish();
    } finally {
      this.stop.removeEventListener("abort", end);
      end();
    }
    if (this.stop.aborted) throw new UserError("stopped; nothing is saved");
  }

  /** PyTorch first: who differs from it does other work, and is not timed. */
  async #prepare(): Promise<void> {
    const { task, size, kind, folder, comparedSteps, members } = this.plan;
    const references = ["torch-cpu", "torch-cuda", "ort-cpu"] as const satisfies readonly BenchEngine[];
    const rank = ({ engine }: Member): number =>
      (references as readonly BenchEngine[]).indexOf(engine) + 1 || references.length + 1;
    for (const member of [...members].sort((a, b) => rank(a) - rank(b))) {
      const { engine, threads, launch } = member;
      const worker = new WorkerProcess(launch);
      const prepared = await this.#attempt(member, worker, () =>
        worker.ask({
          do: "prepare",
          task,
          size,
          kind,
          engine: entryOf(engine).runs,
          precision: entryOf(engine).precision,
          mode: entryOf(engine).mode,
          threads,
          folder,
          comparedSteps,
        }),
      );
      if (prepared === undefined) continue;
      const reference = this.#participants[0];
      const off = reference === undefined ? null : difference(prepared.numbers, reference.prepared.numbers, kind);
      const allowed = reference === undefined ? 0 : Math.max(tolerance(engine), tolerance(reference.engine));
      if (off !== null && off > allowed) {
        worker.stop();
        this.#refuse(
          member,
          `its ${kind === "step" ? "losses and gradient norms differ" : "output differs"} from ` +
            `${reference!.engine}'s by ${off.toExponential(1)}, allowed ${allowed}: not the same work`,
          true,
        );
        continue;
      }
      this.#participants.push({
        ...member,
        worker,
        prepared,
        difference: off,
        steps: 1,
        rounds: this.effort.rounds,
        turns: [],
        runMs: undefined,
        bytesPerStep: undefined,
      });
    }
  }

  async #measure(): Promise<void> {
    for (const participant of [...this.#participants]) {
      // warms up, and tells how many steps a turn has
      const warm = await this.#attempt(participant, participant.worker, () =>
        participant.worker.ask({ do: "time", steps: 1 }),
      );
      if (warm === undefined) continue;
      const seconds = warm.ms[0]! / 1000;
      participant.steps = Math.max(1, Math.round(this.effort.seconds / seconds));
      if (seconds > SLOW) participant.rounds = Math.min(2, participant.rounds);
    }
    for (let round = 0; round < this.effort.rounds; round++) {
      // each is first as often as last
      const order = round % 2 === 0 ? [...this.#participants] : [...this.#participants].reverse();
      for (const participant of order) {
        if (round >= participant.rounds) continue;
        const turn = await this.#attempt(participant, participant.worker, () =>
          participant.worker.ask({ do: "time", steps: participant.steps }),
        );
        if (turn === undefined) continue;
        participant.turns[round] = [...turn.ms];
        if (turn.runMs !== undefined) participant.runMs = (participant.runMs ?? 0) + turn.runMs;
        // of the last turn: in the first ones weights and constants may still move to the device
        if (turn.bytes !== undefined) participant.bytesPerStep = turn.bytes / turn.ms.length;
        this.onTurn();
      }
    }
  }

  async #finish(): Promise<void> {
    const { size } = this.plan;
    const peaks = new Map<BenchEngine, Answers["peak"]>();
    for (const participant of [...this.#participants]) {
      const peak = await this.#attempt(participant, participant.worker, () => participant.worker.ask({ do: "peak" }));
      if (peak !== undefined) peaks.set(participant.engine, peak);
    }
    const speeds: number[] = [];
    const profiles = new Map<BenchEngine, readonly Operation[]>();
    for (const participant of [...this.#participants].filter(
      ({ engine }) => usesThreads(engine) && entryOf(engine).with !== "jax",
    )) {
      const speed = await this.#attempt(participant, participant.worker, () =>
        participant.worker.ask({ do: "sgemm", sides: SGEMM[size] }),
      );
      if (speed !== undefined) speeds.push(speed.gflops);
    }
    for (const participant of [...this.#participants].filter(({ engine }) => engine === "ort-cpu")) {
      const found = await this.#attempt(participant, participant.worker, () =>
        participant.worker.ask({ do: "profile", steps: Math.min(participant.steps, 6) + 1 }),
      );
      if (found !== undefined) profiles.set(participant.engine, found.operations);
    }
    const sgemm = speeds.length === 0 ? null : Math.max(...speeds);
    for (const participant of this.#participants)
      this.rows.push(this.#row(participant, peaks.get(participant.engine)!, profiles.get(participant.engine), sgemm));
  }

  #row(
    participant: Participant,
    peak: Answers["peak"],
    operations: readonly Operation[] | undefined,
    sgemm: number | null,
  ): BenchRow {
    const { engine, threads, turns, runMs, bytesPerStep, prepared } = participant;
    const all = turns.flat();
    const baseline = baselinesOf(engine)
      .map((name) => this.#participants.find((r) => r.engine === name))
      .find((r) => r !== undefined);
    const ratio = baseline === undefined ? undefined : ratioOf(turns as Rounds, baseline.turns as Rounds);
    const total = (list: readonly Operation[], field: "ms" | "flops"): number =>
      list.reduce((sum, o) => sum + o[field], 0);
    const products = operations?.filter(({ op }) => isProduct(op));
    const { task, kind } = this.plan;
    return {
      task,
      kind,
      engine,
      threads,
      mode: entryOf(engine).mode,
      precision: entryOf(engine).precision,
      kernels: prepared.kernels,
      medianMs: rounded(median(all)!),
      minMs: rounded(Math.min(...all)),
      maxMs: rounded(Math.max(...all)),
      runs: all.length,
      ratioToTorch: ratio === undefined ? null : rounded(ratio.median),
      ratioSpread: ratio === undefined ? null : [rounded(ratio.least), rounded(ratio.most)],
      ratioTo: ratio === undefined ? null : baseline!.engine,
      peakMB: Math.round(peak.MB),
      deviceMB: peak.deviceMB === undefined ? null : Math.round(peak.deviceMB),
      bytesPerStep: bytesPerStep === undefined ? null : Math.round(bytesPerStep),
      jsShare: runMs === undefined ? null : rounded(1 - runMs / all.reduce((sum, ms) => sum + ms, 0)),
      matmulShare: operations === undefined ? null : rounded(total(products!, "ms") / total(operations, "ms")),
      matmulGflops: operations === undefined ? null : rounded(total(products!, "flops") / total(products!, "ms") / 1e6),
      sgemmGflops: sgemm === null || !usesThreads(engine) ? null : rounded(sgemm),
      difference: participant.difference === null ? null : Number(participant.difference.toExponential(1)),
      operations:
        operations === undefined ? null : operations.slice(0, 12).map(({ op, ms }) => ({ op, ms: rounded(ms) })),
      about: prepared.about,
    };
  }
}

/** Four digits. */
const rounded = (x: number): number => Number(x.toPrecision(4));
