import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { inProject } from "../core/root";
import type { S2Config } from "../config/schema";

/** Pretrained weights that a preset starts from. */
export type PretrainedPart = "vision" | "reconstruction";

export function pretrainedFile(preset: string, part: PretrainedPart): string {
  return inProject("data", "pretrained", preset, `${part}.safetensors`);
}

export function hasPretrained(preset: string, part: PretrainedPart): boolean {
  return existsSync(pretrainedFile(preset, part));
}

/** Short hash of the vision weights that the prepared features come from; "none" where the preset has none. */
export function visionFingerprint(config: S2Config): string {
  const file = pretrainedFile(config.preset, "vision");
  return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 12) : "none";
}
