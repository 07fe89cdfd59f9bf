import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { writeDurable } from "../runs/durable";

/** One flat object a logged step: step number, seconds since the start, losses by name, accuracies. */
const MetricsLine = z.object({ step: z.number(), seconds: z.number() }).catchall(z.number());
export type MetricsLine = Readonly<Record<string, number>> & { readonly step: number; readonly seconds: number };

/** The log of one run, under the name that figures and messages give it. */
export interface TrainingRun {
  readonly label: string;
  /** The data set that it was trained on, as figures name it. */
  readonly source?: string;
  readonly metrics: readonly MetricsLine[];
}

/** Append-only JSON lines. A resumed run first drops the lines behind its checkpoint. */
export class MetricsLog {
  constructor(readonly file: string) {
    mkdirSync(dirname(file), { recursive: true });
  }

  /** The line is on the disk when this returns. */
  append(line: MetricsLine): void {
    const handle = openSync(this.file, "a");
    try {
      writeSync(handle, `${JSON.stringify(line)}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  }

  /** Keeps only lines of steps before `step`. */
  truncate(step: number): void {
    if (!existsSync(this.file)) return;
    const kept = readMetrics(this.file).filter((l) => l.step < step);
    writeDurable(this.file, kept.map((l) => `${JSON.stringify(l)}\n`).join(""));
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
