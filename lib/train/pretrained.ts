import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
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

/** Published checkpoints that a preset starts from: every folder in data/pretrained/<preset>; links are followed. */
export function checkpointFolders(preset: string): string[] {
  const top = inProject("data", "pretrained", preset);
  if (!existsSync(top)) return [];
  return readdirSync(top).map((name) => join(top, name)).filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true).sort();
}

/** A preset's tokenizer: its own, or the one beside its language model. */
export function tokenizerFile(preset: string): string {
  const own = inProject("data", "pretrained", preset, "tokenizer.json");
  return [own, ...checkpointFolders(preset).map((folder) => join(folder, "tokenizer.json"))].find((path) => existsSync(path)) ?? own;
}

/** Short hash of the vision weights that the prepared features come from; "none" where the preset has none. */
export function visionFingerprint(config: S2Config): string {
  const file = pretrainedFile(config.preset, "vision");
  return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 12) : "none";
}
