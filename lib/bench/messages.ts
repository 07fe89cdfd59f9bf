import { z } from "zod";
import { PRECISIONS } from "../engine/choose";
import { KINDS, MODES, SIZES } from "./task";

/** What a worker needs to set a task up. */
const Preparation = z.object({
  do: z.literal("prepare"),
  task: z.string(),
  size: z.enum(SIZES),
  kind: z.enum(KINDS),
  engine: z.string(),
  /** In what matrix products are computed. */
  precision: z.enum(PRECISIONS),
  mode: z.enum(MODES),
  threads: z.number(),
  /** How many steps' numbers are compared. */
  comparedSteps: z.number(),
  /** Holds weights.safetensors, inputs.safetensors and settings.json. */
  folder: z.string(),
});
export type Preparation = z.infer<typeof Preparation>;

/** What the parent asks of a worker, one JSON object a line; the worker answers each with one line. */
export const Request = z.discriminatedUnion("do", [
  Preparation,
  z.object({ do: z.literal("time"), steps: z.number() }),
  z.object({ do: z.literal("moved"), steps: z.number() }),
  z.object({ do: z.literal("peak") }),
  z.object({ do: z.literal("sgemm"), sides: z.array(z.number()).readonly() }),
  z.object({ do: z.literal("profile"), steps: z.number() }),
]);
export type Request = z.infer<typeof Request>;

/** An operation of an engine in the mean of some steps. */
const Operation = z.object({
  op: z.string(),
  ms: z.number(),
  /** Floating-point operations of matrix products. */
  flops: z.number(),
});
export type Operation = z.infer<typeof Operation>;

/** The answer to each request. */
export const ANSWERS = {
  prepare: z.object({
    /** What every worker must agree on. */
    numbers: z.array(z.number()).readonly(),
    /** One line: version, device, settings. */
    about: z.string(),
    /** Which libraries compute products, with which instructions. */
    kernels: z.string(),
  }),
  time: z.object({
    /** Milliseconds of each step. */
    ms: z.array(z.number()).readonly(),
    /** Milliseconds of all of them spent inside ONNX Runtime, where it is used. */
    runMs: z.number().optional(),
    /** Bytes moved to and from the device, where that is counted. */
    bytes: z.number().optional(),
  }),
  /** Bytes to and from the device by a step whose inputs are new, and the bytes of those inputs. */
  moved: z.object({ up: z.number(), down: z.number(), batch: z.number() }),
  peak: z.object({ MB: z.number(), deviceMB: z.number().optional() }),
  /** Best of several products of square matrices. */
  sgemm: z.object({ gflops: z.number() }),
  /** Mean of one step by operation, longest first. */
  profile: z.object({ operations: z.array(Operation).readonly() }),
} as const satisfies Record<Request["do"], z.ZodType>;
export type Answers = { readonly [Name in Request["do"]]: z.infer<(typeof ANSWERS)[Name]> };

export const Answer = z.union([z.object({ ok: z.unknown() }), z.object({ error: z.string() })]);
export type Answer = z.infer<typeof Answer>;
