import { createHash } from "node:crypto";
import { z } from "zod";
import { ablations } from "../config/ablations";
import { presets } from "../config/presets";
import { resolveConfig } from "../config/resolve";
import { S2Config } from "../config/schema";

/** Config values by their dotted path, such as "training.steps". */
export const Settings = z.record(z.string(), z.unknown());
export type Settings = Readonly<Record<string, unknown>>;

/** What a run's identity holds in another form: the seed by itself, data and starting weights by their contents. */
const heldElsewhere = new Set(["seed", "data.folder", "checkpoints", "pretrained"]);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** JSON that does not depend on the order in which keys were set. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

/** @returns the first 12 hexadecimal digits of a value's SHA-256 */
export function shortHash(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, 12);
}

/** The object schema under defaults, and the default itself. */
function unwrap(schema: unknown): { readonly inner: unknown; readonly fallback?: unknown } {
  if (schema instanceof z.ZodDefault) return { inner: schema.def.innerType, fallback: schema.def.defaultValue };
  if (schema instanceof z.ZodPrefault) return { inner: schema.def.innerType };
  return { inner: schema };
}

function collect(value: Record<string, unknown>, schema: unknown, path: string, out: Record<string, unknown>): void {
  const shape = schema instanceof z.ZodObject ? (schema.shape as Record<string, unknown>) : {};
  for (const [key, own] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`;
    const { inner, fallback } = unwrap(shape[key]);
    if (own === undefined || heldElsewhere.has(at)) continue;
    if (isRecord(own) && inner instanceof z.ZodObject) collect(own, inner, at, out);
    else if (fallback === undefined || canonicalJson(own) !== canonicalJson(fallback)) out[at] = own;
  }
}

/**
 * The values of a configuration that differ from the schema's defaults, without seed and paths. A field that the schema
 * gains later, with a default, changes nothing here: ids of runs made before it stay.
 */
export function settingsOf(config: object, schema: z.ZodObject = S2Config): Settings {
  const out: Record<string, unknown> = {};
  collect(config as Record<string, unknown>, schema, "", out);
  return out;
}

/** Fingerprint of `settingsOf`: 12 hexadecimal digits. */
export function settingsHash(config: S2Config): string {
  return shortHash(settingsOf(config));
}

/** Every value by its path, defaults too; without seed and paths. */
function allValues(config: S2Config): Settings {
  const out: Record<string, unknown> = {};
  const walk = (value: Record<string, unknown>, path: string): void => {
    for (const [key, own] of Object.entries(value)) {
      const at = path === "" ? key : `${path}.${key}`;
      if (own === undefined || heldElsewhere.has(at)) continue;
      if (isRecord(own)) walk(own, at);
      else out[at] = own;
    }
  };
  walk(config, "");
  return out;
}

/** One line for each value in which two records differ: "training.steps: 1100 there, 10 here". */
export function settingDifferences(there: Settings, here: Settings): string[] {
  const show = (value: unknown): string => (value === undefined ? "the default" : JSON.stringify(value));
  return [...new Set([...Object.keys(there), ...Object.keys(here)])]
    .sort()
    .filter((key) => canonicalJson(there[key]) !== canonicalJson(here[key]))
    .map((key) => `${key}: ${show(there[key])} there, ${show(here[key])} here`);
}

/** What a configuration changes of its variant's own, by path; null for a value that it lacks. */
export function changesOf(config: S2Config, variant: string): Settings {
  const own = allValues(resolveConfig({ preset: config.preset, ablation: variant }));
  const now = allValues(config);
  const keys = [...new Set([...Object.keys(own), ...Object.keys(now)])].sort();
  return Object.fromEntries(
    keys
      .filter((key) => canonicalJson(own[key]) !== canonicalJson(now[key]))
      .map((key) => [key, now[key] ?? null] as const),
  );
}

const hashes = new Map<string, string | undefined>();

/**
 * Hash of the settings that a variant with changes has today.
 *
 * @returns undefined for a preset or variant that is gone, or changes that its schema no longer takes
 */
export function presentHash(preset: string, variant: string, changes: Settings): string | undefined {
  const key = canonicalJson([preset, variant, changes]);
  if (!hashes.has(key)) hashes.set(key, hashNow(preset, variant, changes));
  return hashes.get(key);
}

function hashNow(preset: string, variant: string, changes: Settings): string | undefined {
  const known = variant.split("+").every((name) => Object.hasOwn(ablations, name));
  if (!Object.hasOwn(presets, preset) || !known) return undefined;
  const set = Object.entries(changes).map(([path, value]) => `${path}=${JSON.stringify(value)}`);
  try {
    return settingsHash(resolveConfig({ preset, ablation: variant, set }));
  } catch {
    return undefined;
  }
}

/** Changes in words: "training.steps=10, data.frames=2". */
export function changesText(changes: Settings): string {
  return Object.entries(changes)
    .map(([path, value]) => `${path}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}
