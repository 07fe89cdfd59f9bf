import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { z } from "zod";
import { nvidiaGpus } from "../engine/nvidia";
import { tf } from "../engine/tf";
import type { Torch } from "./engines";

/** What the rows were measured on. */
export const MachineCard = z.object({
  cpu: z.string(),
  cores: z.number(),
  memoryGB: z.number(),
  vectors: z.string().nullable(),
  /** NVIDIA's name and driver. */
  gpu: z.string().nullable(),
  system: z.string(),
  node: z.string(),
  onnxruntime: z.string(),
  tfjs: z.string(),
  torch: z.string().nullable(),
});
export type MachineCard = z.infer<typeof MachineCard>;

/** Version of an installed npm package. */
export const versionOf = (name: string): string =>
  z.object({ version: z.string() }).parse(JSON.parse(readFileSync(require.resolve(`${name}/package.json`), "utf8")))
    .version;

/** The widest vector instructions, which set the peak of a core; virtual machines hide the processor's own name. */
export function vectors(): string | null {
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
    return ["avx512f", "avx2", "avx"].find((flag) => flags.includes(flag)) ?? null;
  } catch {
    return null;
  }
}

export function machineCard(torch: Torch | undefined): MachineCard {
  const gpu = nvidiaGpus()[0];
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGB: Number((totalmem() / 2 ** 30).toFixed(1)),
    vectors: vectors(),
    gpu: gpu === undefined ? null : `${gpu.name}, ${gpu.driver}`,
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    onnxruntime: versionOf("onnxruntime-node"),
    tfjs: tf.version_core,
    torch: torch?.version ?? null,
  };
}
