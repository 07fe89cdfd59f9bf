import { UserError } from "../core/errors";
import { difference, tolerance } from "./agreement";
import { Contender, type Launch } from "./contender";
import { type Entrant, engineOf, isHalf, isTorch, opponentsOf } from "./entrants";
import type { Operation, Prepared } from "./messages";
import { isProduct } from "./profile";
import type { BenchRow, Refusal } from "./rows";
import { median, type Rounds, ratioOf } from "./statistics";
import type { Kind, Size } from "./task";

/** How long is measured. */
export interface Effort {
  /** Rounds; in each one every contender has a turn. */
  readonly rounds: number;
  /** Seconds that a turn aims at; it has one step at least. */
  readonly seconds: number;
}

/** A step of more than this many seconds is done in two rounds only. */
const SLOW = 8;

/** Sides of the square matrices whose product shows the machine's best. */
const SGEMM: Readonly<Record<Size, readonly number[]>> = { full: [1024, 2048], tiny: [64] };

export interface Member {
  readonly engine: Entrant;
  readonly threads: number;
  readonly launch: Launch;
}

export interface GroupPlan {
  readonly task: string;
  readonly size: Size;
  readonly kind: Kind;
  readonly folder: string;
  readonly comparedSteps: number;
  readonly members: readonly Member[];
}

interface Racer extends Member {
  readonly contender: Contender;
  readonly prepared: Prepared;
  readonly difference: number | null;
  steps: number;
  rounds: number;
  readonly turns: number[][];
  runMs: number | undefined;
}

/** Contenders of one task that are measured side by side, taking turns. */
export class Group {
  readonly rows: BenchRow[] = [];
  readonly refusals: Refusal[] = [];
  readonly #racers: Racer[] = [];

  constructor(
    private readonly plan: GroupPlan,
    private readonly effort: Effort,
    private readonly stop: AbortSignal,
    private readonly onTurn: () => void,
  ) {}

  #refuse({ engine, threads }: Member, why: string, differs = false): void {
    const { task, kind } = this.plan;
    this.refusals.push({ task, kind, engine, threads, why, differs });
  }

  /** Takes a contender that fails out of the race; the others go on. */
  async #attempt<T>(member: Member, contender: Contender, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      contender.stop();
      const at = this.#racers.findIndex((r) => r.contender === contender);
      if (at >= 0) this.#racers.splice(at, 1);
      this.#refuse(member, (error as Error).message.split("\n")[0]!);
      return undefined;
    }
  }

  async run(): Promise<void> {
    const end = (): void => this.#racers.forEach(({ contender }) => contender.stop());
    this.stop.addEventListener("abort", end);
    try {
      await this.#prepare();
      await this.#race();
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
    const references = ["torch-cpu", "torch-cuda", "ort-cpu"] as const satisfies readonly Entrant[];
    const rank = ({ engine }: Member): number =>
      (references as readonly Entrant[]).indexOf(engine) + 1 || references.length + 1;
    for (const member of [...members].sort((a, b) => rank(a) - rank(b))) {
      const { engine, threads, launch } = member;
      const contender = new Contender(engine, launch);
      const prepared = await this.#attempt(member, contender, () =>
        contender.ask({
          do: "prepare",
          task,
          size,
          kind,
          engine: engineOf(engine),
          half: isHalf(engine),
          threads,
          folder,
          comparedSteps,
        }),
      );
      if (prepared === undefined) continue;
      const reference = this.#racers[0];
      const off = reference === undefined ? null : difference(prepared.numbers, reference.prepared.numbers, kind);
      const allowed = reference === undefined ? 0 : Math.max(tolerance(engine), tolerance(reference.engine));
      if (off !== null && off > allowed) {
        contender.stop();
        this.#refuse(
          member,
          `its ${kind === "step" ? "losses and gradient norms differ" : "output differs"} from ${reference!.engine}'s by ${off.toExponential(1)}, allowed ${allowed}: not the same work`,
          true,
        );
        continue;
      }
      this.#racers.push({
        ...member,
        contender,
        prepared,
        difference: off,
        steps: 1,
        rounds: this.effort.rounds,
        turns: [],
        runMs: undefined,
      });
    }
  }

  async #race(): Promise<void> {
    for (const racer of [...this.#racers]) {
      // warms up, and tells how many steps a turn has
      const warm = await this.#attempt(racer, racer.contender, () => racer.contender.ask({ do: "turn", steps: 1 }));
      if (warm === undefined) continue;
      const seconds = warm.ms[0]! / 1000;
      racer.steps = Math.max(1, Math.round(this.effort.seconds / seconds));
      if (seconds > SLOW) racer.rounds = Math.min(2, racer.rounds);
    }
    for (let round = 0; round < this.effort.rounds; round++) {
      // each is first as often as last
      const order = round % 2 === 0 ? [...this.#racers] : [...this.#racers].reverse();
      for (const racer of order) {
        if (round >= racer.rounds) continue;
        const turn = await this.#attempt(racer, racer.contender, () =>
          racer.contender.ask({ do: "turn", steps: racer.steps }),
        );
        if (turn === undefined) continue;
        racer.turns[round] = [...turn.ms];
        if (turn.runMs !== undefined) racer.runMs = (racer.runMs ?? 0) + turn.runMs;
        this.onTurn();
      }
    }
  }

  async #finish(): Promise<void> {
    const { size } = this.plan;
    const peaks = new Map<Entrant, { MB: number; deviceMB?: number }>();
    for (const racer of [...this.#racers]) {
      const peak = await this.#attempt(racer, racer.contender, () => racer.contender.ask({ do: "peak" }));
      if (peak !== undefined) peaks.set(racer.engine, peak);
    }
    const speeds: number[] = [];
    const profiles = new Map<Entrant, readonly Operation[]>();
    for (const racer of [...this.#racers].filter(({ engine }) => engine === "ort-cpu" || engine === "torch-cpu")) {
      const speed = await this.#attempt(racer, racer.contender, () =>
        racer.contender.ask({ do: "sgemm", sides: SGEMM[size] }),
      );
      if (speed !== undefined) speeds.push(speed.gflops);
    }
    for (const racer of [...this.#racers].filter(({ engine }) => engine === "ort-cpu")) {
      const found = await this.#attempt(racer, racer.contender, () =>
        racer.contender.ask({ do: "profile", steps: Math.min(racer.steps, 6) + 1 }),
      );
      if (found !== undefined) profiles.set(racer.engine, found.operations);
    }
    const sgemm = speeds.length === 0 ? null : Math.max(...speeds);
    for (const racer of this.#racers)
      this.rows.push(this.#row(racer, peaks.get(racer.engine)!, profiles.get(racer.engine), sgemm));
  }

  #row(
    racer: Racer,
    peak: { MB: number; deviceMB?: number },
    operations: readonly Operation[] | undefined,
    sgemm: number | null,
  ): BenchRow {
    const { engine, threads, turns, runMs, prepared } = racer;
    const all = turns.flat();
    const opponent = isTorch(engine)
      ? undefined
      : opponentsOf(engine)
          .map((name) => this.#racers.find((r) => r.engine === name))
          .find((r) => r !== undefined);
    const ratio = opponent === undefined ? undefined : ratioOf(turns as Rounds, opponent.turns as Rounds);
    const total = (list: readonly Operation[], field: "ms" | "flops"): number =>
      list.reduce((sum, o) => sum + o[field], 0);
    const products = operations?.filter(({ op }) => isProduct(op));
    const { task, kind } = this.plan;
    return {
      task,
      kind,
      engine,
      threads,
      medianMs: rounded(median(all)),
      minMs: rounded(Math.min(...all)),
      maxMs: rounded(Math.max(...all)),
      runs: all.length,
      ratioToTorch: ratio === undefined ? null : rounded(ratio.median),
      ratioSpread: ratio === undefined ? null : [rounded(ratio.least), rounded(ratio.most)],
      ratioTo: ratio === undefined ? null : opponent!.engine,
      peakMB: Math.round(peak.MB),
      deviceMB: peak.deviceMB === undefined ? null : Math.round(peak.deviceMB),
      jsShare: runMs === undefined ? null : rounded(1 - runMs / all.reduce((sum, ms) => sum + ms, 0)),
      matmulShare: operations === undefined ? null : rounded(total(products!, "ms") / total(operations, "ms")),
      matmulGflops: operations === undefined ? null : rounded(total(products!, "flops") / total(products!, "ms") / 1e6),
      sgemmGflops: sgemm === null || !usesProcessor(engine) ? null : rounded(sgemm),
      difference: racer.difference === null ? null : Number(racer.difference.toExponential(1)),
      operations:
        operations === undefined ? null : operations.slice(0, 12).map(({ op, ms }) => ({ op, ms: rounded(ms) })),
      about: prepared.about,
    };
  }
}

const usesProcessor = (engine: Entrant): boolean => engine === "ort-cpu" || engine === "torch-cpu";

/** Four digits. */
const rounded = (x: number): number => Number(x.toPrecision(4));
