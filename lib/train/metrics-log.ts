import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { writeFileAtomic, writingError } from "../core/files";
import { fileHeader, scalarEvent } from "../io/tfevents";
import { writeDurable } from "../runs/durable";

/** One flat object a logged step: step number, seconds since the start, losses by name, accuracies. */
const MetricsLine = z.object({ step: z.number(), seconds: z.number() }).catchall(z.number());
export type MetricsLine = Readonly<Record<string, number>> & { readonly step: number; readonly seconds: number };

/** The log of one run, under the name that figures and messages give it. */
export interface TrainingRun {
  readonly label: string;
  readonly seed?: number;
  /** The data set that it was trained on, as figures name it. */
  readonly source?: string;
  readonly metrics: readonly MetricsLine[];
}

/** Name of a run's scalars in TensorBoard's form, which looks for "tfevents". */
export const eventsName = "events.out.tfevents.s2mllm";

const textOf = (line: MetricsLine): string => `${JSON.stringify(line)}\n`;

/**
 * Append-only JSON lines, and the same numbers as scalars beside them for TensorBoard. A resumed run first drops the
 * lines behind its checkpoint.
 */
export class MetricsLog {
  readonly #events: string;

  /** @param begun when the run began, seconds since 1970: TensorBoard shows a clock time with every step */
  constructor(
    readonly file: string,
    readonly begun: number,
  ) {
    mkdirSync(dirname(file), { recursive: true });
    this.#events = join(dirname(file), eventsName);
  }

  #event({ step, seconds, ...scalars }: MetricsLine): Uint8Array {
    return scalarEvent(this.begun + seconds, step, scalars);
  }

  /** The line is on the disk when this returns. @throws WriteError when the disk does not take it */
  append(line: MetricsLine): void {
    try {
      appendFileSync(this.file, textOf(line), { flush: true });
      if (!existsSync(this.#events)) writeFileAtomic(this.#events, fileHeader(this.begun));
      appendFileSync(this.#events, this.#event(line));
    } catch (error) {
      throw writingError(error, dirname(this.file));
    }
  }

  /** Keeps only lines of steps before `step`. */
  truncate(step: number): void {
    if (!existsSync(this.file)) return;
    const kept = readMetrics(this.file).filter((l) => l.step < step);
    writeDurable(this.file, kept.map(textOf).join(""));
    writeFileAtomic(this.#events, Buffer.concat([fileHeader(this.begun), ...kept.map((line) => this.#event(line))]));
  }
}

/** Lines of a metrics file; a line that is half written, or no such object, is left out. */
export function readMetrics(file: string): MetricsLine[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((text) => {
      try {
        return text === "" ? [] : [MetricsLine.parse(JSON.parse(text))];
      } catch {
        return [];
      }
    });
}
