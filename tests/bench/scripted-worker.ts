import type { Member } from "../../lib/bench/comparison";
import type { BenchEngine } from "../../lib/bench/engines";

/** What a scripted worker does: its first numbers, milliseconds of a step, and when it dies. */
export interface Script {
  readonly numbers: readonly number[];
  readonly ms: number;
  /** Ends its process when asked for its time this often, counted from 0; the first one warms up. */
  readonly diesAt?: number;
  readonly refuses?: string;
  /** Every request is noted here. */
  readonly log: string;
}

const source = (name: string, script: Script): string => `
  const script = ${JSON.stringify(script)};
  const fs = require("node:fs");
  let timed = 0;
  require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const request = JSON.parse(line);
    const words = [${JSON.stringify(name)}, request.do, ...(request.steps === undefined ? [] : [request.steps])];
    fs.appendFileSync(script.log, words.join(" ") + "\\n");
    if (request.do === "time" && timed++ === script.diesAt) { console.error("the driver is gone"); process.exit(9); }
    const answers = {
      prepare: { numbers: script.numbers, about: ${JSON.stringify(name)} + " scripted", kernels: "scripted kernels" },
      time: {
        ms: Array.from({ length: request.steps }, () => script.ms),
        runMs: 0.9 * script.ms * request.steps,
        bytes: 1500 * request.steps,
      },
      peak: { MB: 123.4 },
      sgemm: { gflops: script.ms * 10 },
      profile: { operations: [{ op: "MatMul", ms: 3, flops: 3e8 }, { op: "Add", ms: 1, flops: 0 }] },
    };
    const refused = request.do === "prepare" && script.refuses !== undefined;
    console.log(JSON.stringify(refused ? { error: script.refuses } : { ok: answers[request.do] }));
  });
`;

/** A worker that only acts as one. */
export function scripted(engine: BenchEngine, script: Script): Member {
  return {
    engine,
    threads: 1,
    launch: { program: process.execPath, args: ["-e", source(engine, script)], environment: {} },
  };
}
