import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fileHeader, scalarEvent } from "../../lib/io/tfevents";
import { eventsName, MetricsLog, readMetrics } from "../../lib/train/metrics-log";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-train-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("metrics.jsonl", () => {
  test("is appended to, and cut behind a checkpoint", () => {
    const log = new MetricsLog(join(folder, "run", "metrics.jsonl"), 1000);
    log.truncate(3); // nothing there yet
    for (let step = 0; step < 5; step++) log.append({ step, seconds: step / 2, total: 1 / (step + 1) });
    expect(readMetrics(log.file).map((l) => l.step)).toEqual([0, 1, 2, 3, 4]);
    log.truncate(3);
    expect(readMetrics(log.file)).toEqual([
      { step: 0, seconds: 0, total: 1 },
      { step: 1, seconds: 0.5, total: 0.5 },
      { step: 2, seconds: 1, total: 1 / 3 },
    ]);
    // TensorBoard's file says the same
    const kept = [0, 1, 2].map((step) => scalarEvent(1000 + step / 2, step, { total: 1 / (step + 1) }));
    const events = join(folder, "run", eventsName);
    expect(readFileSync(events)).toEqual(Buffer.concat([fileHeader(1000), ...kept]));
    log.append({ step: 3, seconds: 2, total: 4 });
    expect(readFileSync(events)).toEqual(
      Buffer.concat([fileHeader(1000), ...kept, scalarEvent(1002, 3, { total: 4 })]),
    );
  });

  test("a last line that was cut off is left out, and gone after a resume", () => {
    const log = new MetricsLog(join(folder, "metrics.jsonl"), 1000);
    log.append({ step: 0, seconds: 0 });
    appendFileSync(log.file, '{"step":1,"sec');
    expect(readMetrics(log.file)).toEqual([{ step: 0, seconds: 0 }]);
    log.truncate(1);
    log.append({ step: 1, seconds: 1 });
    expect(readMetrics(log.file).map((l) => l.step)).toEqual([0, 1]);
  });
});
