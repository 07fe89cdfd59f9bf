import { z } from "zod";
import type { Operation } from "./messages";

const Shapes = z.array(z.record(z.string(), z.array(z.number()))).optional();

/** An event of ONNX Runtime's trace, as far as it is read here. */
const TraceEvent = z.object({
  cat: z.string(),
  name: z.string(),
  /** Microseconds. */
  ts: z.number(),
  dur: z.number(),
  args: z.object({ op_name: z.string().optional(), input_type_shape: Shapes, output_type_shape: Shapes }).optional(),
});
type TraceEvent = z.infer<typeof TraceEvent>;

const PRODUCTS: readonly string[] = ["MatMul", "FusedMatMul", "Gemm", "FusedGemm"];

/** 2 M N K of a product, from its shapes alone: K is what is left of the first operand beside the output's rows. */
function flopsOf({ args }: TraceEvent): number {
  if (!PRODUCTS.includes(args!.op_name!)) return 0;
  const first = Object.values(args!.input_type_shape?.[0] ?? {})[0];
  const output = Object.values(args!.output_type_shape?.[0] ?? {})[0];
  if (first === undefined || output === undefined || first.length < 2 || output.length < 2) return 0;
  const depth = (first.at(-1)! * first.at(-2)!) / output.at(-2)!;
  return 2 * depth * output.reduce((n, d) => n * d, 1);
}

/** An operation that computes a matrix product. */
export const isProduct = (op: string): boolean => PRODUCTS.includes(op);

/**
 * Mean time of one run by operation, longest first. Of several sessions the one that ran longest counts, and of its
 * runs all but the first.
 *
 * @param traces contents of ONNX Runtime's profile files
 */
export function operationsOf(traces: readonly string[]): Operation[] {
  const sessions = traces.map((text) => {
    const events = z.array(TraceEvent).parse(JSON.parse(text));
    const runs = events.filter((e) => e.cat === "Session" && e.name === "model_run").sort((a, b) => a.ts - b.ts);
    return { events, runs, time: runs.reduce((sum, { dur }) => sum + dur, 0) };
  });
  const session = sessions.reduce((a, b) => (b.time > a.time ? b : a));
  const counted = session.runs.slice(1);
  const start = counted[0]?.ts ?? Infinity;
  const byOp = new Map<string, { ms: number; flops: number }>();
  for (const event of session.events) {
    if (event.cat !== "Node" || !event.name.endsWith("_kernel_time") || event.ts < start) continue;
    const op = event.args!.op_name!;
    // the nodes of its subgraph have events of their own
    if (op === "Scan") continue;
    const sum = byOp.get(op) ?? { ms: 0, flops: 0 };
    byOp.set(op, { ms: sum.ms + event.dur / 1000, flops: sum.flops + flopsOf(event) });
  }
  return [...byOp]
    .map(([op, { ms, flops }]) => ({ op, ms: ms / counted.length, flops: flops / counted.length }))
    .sort((a, b) => b.ms - a.ms);
}
