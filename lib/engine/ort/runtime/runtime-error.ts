import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackendError } from "../errors";
import type { Provider } from "./provider";

/** What to do about failures that have a known cause, by what ONNX Runtime says. */
const CURES: readonly (readonly [RegExp, string])[] = [
  // CUDA's numbers of a device that is gone, busy, reset, or whose program ran wild
  [
    /device (?:was |is )?lost|devicelost|CUDA (?:failure|error) (?:46|100|101|214|700|702|709|710|717|718|719|999)\b/i,
    "the GPU stopped answering (driver reset, sleep, or another program): start again, an interrupted training " +
      "goes on from its checkpoint; S2_ENGINE=ort-cpu runs without the GPU",
  ],
  // narrowing_error: more elements than the 32 bits that shaders count with
  [
    new RegExp(
      "out ?of ?memory|narrowing_error|bad_alloc|ALLOC_FAILED|failed to allocate|" +
        "(?:exceeds the max|larger than the max).* size",
      "i",
    ),
    "not enough device memory: take smaller batches (training.scenes, training.sentences, data.frames), close other " +
      "programs on the GPU, or run with S2_ENGINE=ort-cpu",
  ],
  [/requires f16/i, "the device has no half precision: take another precision (S2_ENGINE_PRECISION=float32)"],
];

/** What is known of the program that failed. */
export interface FailedProgram {
  readonly provider: Pick<Provider, "engine">;
  /** Its .onnx file, kept in debug mode. */
  readonly model: Uint8Array | undefined;
  /** Where the operation behind each node was traced. */
  readonly origins?: ReadonlyMap<string, string>;
}

/** Message of a failure inside ONNX Runtime, naming the tfjs kernel where the runtime names a node. */
export function runtimeError(error: unknown, what: string, { provider, model, origins }: FailedProgram): Error {
  const text = (error instanceof Error ? error.message : String(error)).trim();
  const [node, kernel] = /([A-Za-z0-9_]+)#\d+/.exec(text) ?? [];
  const origin = node === undefined ? undefined : origins?.get(node);
  let where = "set S2_ENGINE_DEBUG=1 to name the line and keep the graph as an .onnx file";
  if (model !== undefined) {
    const file = join(mkdtempSync(join(tmpdir(), "s2-engine-")), "graph.onnx");
    writeFileSync(file, model);
    where = `graph written to ${file}`;
  }
  const subject =
    kernel === undefined ? "the program" : `tfjs op ${kernel}${origin === undefined ? "" : ` recorded at ${origin}`}`;
  const cure = CURES.find(([pattern]) => pattern.test(text))?.[1];
  const advice = cure === undefined ? "" : ` (${cure})`;
  const message = `${provider.engine}: ${subject} failed ${what} in ONNX Runtime${advice}: ${text} (${where})`;
  // a lost device or a full memory is no fault of the code: no stack is shown
  return cure === undefined ? new Error(message, { cause: error }) : new BackendError(message);
}
