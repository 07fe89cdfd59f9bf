import { describe, expect, test } from "vitest";
import { z } from "zod";
import { resolveConfig } from "../../lib/config/resolve";
import { S2Config, TrainingConfig } from "../../lib/config/schema";
import {
  changesOf,
  changesText,
  presentHash,
  settingDifferences,
  settingsHash,
  settingsOf,
} from "../../lib/runs/settings";

const nano = resolveConfig({ preset: "nano" });

describe("settings", () => {
  test("are the values that differ from the schema's defaults, without seed and paths", () => {
    const settings = settingsOf(nano);
    expect(settings["training.steps"]).toBe(1100);
    // 0.9 is the schema's own
    expect(Object.keys(settings)).not.toContain("training.beta1");
    expect(Object.keys(settings).filter((key) => /^seed|folder|checkpoints/.test(key))).toEqual([]);
    const elsewhere = resolveConfig({ preset: "nano", seed: 7, set: ["data.folder=/elsewhere", 'checkpoints=["x"]'] });
    expect(settingsHash(elsewhere)).toBe(settingsHash(nano));
    expect(settingsHash(resolveConfig({ preset: "nano", set: ["training.beta1=0.8"] }))).not.toBe(settingsHash(nano));
    // a value that is set to its default is the default
    expect(settingsHash(resolveConfig({ preset: "nano", set: ["training.beta1=0.9"] }))).toBe(settingsHash(nano));
  });

  test("do not change when the schema gains a field with a default, at the top, inside, or as a group", () => {
    const later = S2Config.extend({
      note: z.string().default("none"),
      training: TrainingConfig.extend({ epochs: z.number().optional(), shuffle: z.boolean().default(true) }),
      extra: z.strictObject({ depth: z.int().default(3), list: z.array(z.int()).default([1, 2]) }).prefault({}),
    });
    const parsed = later.parse(nano);
    expect(parsed.extra.list).toEqual([1, 2]);
    expect(settingsOf(parsed, later)).toEqual(settingsOf(nano));
    expect(settingsOf(later.parse({ ...nano, extra: { depth: 4 } }), later)).toEqual({
      ...settingsOf(nano),
      "extra.depth": 4,
    });
  });

  test("do not depend on the order of keys", () => {
    const turned = Object.fromEntries(Object.entries(nano).reverse()) as S2Config;
    expect(settingsHash(turned)).toBe(settingsHash(nano));
  });
});

describe("changes", () => {
  test("say what a configuration changes of its variant's own, and give it back", () => {
    const changed = resolveConfig({
      preset: "nano",
      ablation: "no-mpe",
      seed: 3,
      set: ["training.steps=10", "data.folder=/elsewhere", "structure.interView=false"],
    });
    const changes = changesOf(changed, "no-mpe");
    expect(changes).toEqual({ "structure.interView": false, "training.steps": 10 });
    expect(changesText(changes)).toBe("structure.interView=false, training.steps=10");
    expect(presentHash("nano", "no-mpe", changes)).toBe(settingsHash(changed));
    expect(changesOf(resolveConfig({ preset: "nano", ablation: "no-mpe" }), "no-mpe")).toEqual({});
  });

  test("of a variant or value that is gone have no settings of today", () => {
    expect(presentHash("nano", "gone", {})).toBeUndefined();
    expect(presentHash("gone", "full", {})).toBeUndefined();
    expect(presentHash("nano", "full", { "training.gone": 1 })).toBeUndefined();
  });

  test("between two records are listed by path", () => {
    const other = resolveConfig({ preset: "nano", set: ["training.steps=10", "training.beta1=0.8"] });
    expect(settingDifferences(settingsOf(nano), settingsOf(other))).toEqual([
      "training.beta1: the default there, 0.8 here",
      "training.steps: 1100 there, 10 here",
    ]);
  });
});
