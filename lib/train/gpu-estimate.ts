import type { S2Config } from "../config/schema";
import { activationsOf, countBy, gigabytes } from "./estimate";

/** Memory of an 80 GB GPU that is left to a program, bytes. */
export const GPU_BYTES = 78 * 2 ** 30;

/** What PCIe 4.0 x16 moves in practice, bytes a second each way (31.5 GB/s on paper). */
export const PCIE_RATE = 25e9;

/** The driver's context, cuBLAS' workspaces and ONNX Runtime's arena beside the tensors: assumed, not measured. */
const CONTEXT = 1.5e9;

/** What is held on the device at one moment of a step, bytes by what holds them. */
type Memory = Readonly<Record<string, number>>;

/** Something that lies in host memory, for want of room on the device. */
export interface HostPart {
  readonly what: string;
  readonly bytes: number;
  /** Moved over PCIe for one update, both ways together. */
  readonly bytesPerUpdate: number;
  readonly seconds: number;
}

export interface GpuEstimate {
  /** While the last batch's gradients are added, and while weights and moments get their new values. */
  readonly phases: Readonly<Record<"gradients" | "update", Memory>>;
  /** The larger phase, bytes. */
  readonly bytes: number;
  readonly limit: number;
  readonly host: readonly HostPart[];
  readonly fits: boolean;
}

const sum = (memory: Memory): number => Object.values(memory).reduce((a, b) => a + b, 0);

interface Counts {
  readonly frozen: number;
  readonly trained: number;
  readonly largest: number;
  readonly batches: number;
}

function phasesOf(
  config: S2Config,
  { frozen, trained, largest, batches }: Counts,
  host: ReadonlySet<string>,
): GpuEstimate["phases"] {
  const { streams, part, batch } = activationsOf(config);
  const here = (what: string, bytes: number): Memory => (host.has(what) ? {} : { [what]: bytes });
  const held = {
    "CUDA and its libraries": CONTEXT,
    // streamed weights need room for the largest one, and for the next while it is used
    "frozen weights, bf16": host.has("frozen weights, bf16") ? 4 * largest : 2 * frozen,
    "trained weights, float32": 4 * trained,
    ...here("moments, float32", 8 * trained),
  };
  const several = batches > 1;
  return {
    gradients: {
      ...held,
      "gradients, float32": 4 * trained,
      // the sums before and after this batch
      ...(several ? here("gathered gradients, float32", 8 * trained) : {}),
      "inputs of each layer": streams,
      "one layer computed again": part,
      batch,
    },
    update: {
      ...held,
      "gradients, float32": 4 * trained,
      // one program gives all new values beside the old ones; with moments on the host it goes parameter by parameter
      "new weights and moments": host.has("moments, float32") ? 24 * largest : 12 * trained,
    },
  };
}

/**
 * Memory of one training step on one GPU: frozen weights in bf16, trained ones with float32 masters and moments,
 * layers computed again for their gradients, activations in float32. What does not fit moves to the host in the order
 * of how seldom it is needed; the lab itself does not move it, the estimate says what that would cost.
 *
 * @param limit bytes of the GPU that a program can have
 */
export function gpuEstimate(config: S2Config, limit = GPU_BYTES): GpuEstimate {
  const { all, trained, largest } = countBy(config, () => "all").get("all")!;
  const batches = config.training.accumulate;
  const counts: Counts = { frozen: all - trained, trained, largest, batches };
  const candidates = [
    // up and down once an update
    { what: "moments, float32", bytes: 8 * trained, bytesPerUpdate: 16 * trained },
    // each batch's gradients go down and are added there, the sum comes back
    ...(batches > 1
      ? [{ what: "gathered gradients, float32", bytes: 4 * trained, bytesPerUpdate: 4 * trained * (batches + 1) }]
      : []),
    // forward, forward again, backward of each batch
    {
      what: "frozen weights, bf16",
      bytes: 2 * counts.frozen,
      bytesPerUpdate: 3 * batches * 2 * counts.frozen,
    },
  ];
  const host: HostPart[] = [];
  for (;;) {
    const phases = phasesOf(config, counts, new Set(host.map(({ what }) => what)));
    const bytes = Math.max(...Object.values(phases).map(sum));
    const next = candidates[host.length];
    if (bytes <= limit || next === undefined) return { phases, bytes, limit, host, fits: bytes <= limit };
    host.push({ ...next, seconds: Number((next.bytesPerUpdate / PCIE_RATE).toPrecision(2)) });
  }
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** The estimate for people: a line a phase, a line for what lies on the host. */
export function gpuLines({ phases, bytes, limit, host, fits }: GpuEstimate): string[] {
  const parts = (memory: Memory): string =>
    Object.entries(memory)
      .sort((a, b) => b[1] - a[1])
      .map(([what, n]) => `${what} ${gibibytes(n)}`)
      .join(", ");
  return [
    `on one GPU, bf16 products, layers computed again: ${gibibytes(bytes)} of ${gibibytes(limit)}` +
      `${fits ? "" : ": does not fit"}`,
    ...Object.entries(phases).map(([phase, memory]) => `  ${phase}: ${gibibytes(sum(memory))} (${parts(memory)})`),
    ...host.map(
      ({ what, bytes: moved, bytesPerUpdate, seconds }) =>
        `  would have to lie on the host: ${what} (${gibibytes(moved)}): ${gigabytes(bytesPerUpdate)} an update over ` +
        `PCIe, ${seconds} s at ${PCIE_RATE / 1e9} GB/s`,
    ),
  ];
}
