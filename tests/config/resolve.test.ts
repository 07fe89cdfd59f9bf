import { describe, expect, test } from "vitest";
import { ablations } from "../../lib/config/ablations";
import { presets } from "../../lib/config/presets";
import { merge, parseConfig, parseOverride, resolveConfig } from "../../lib/config/resolve";
import { UserError } from "../../lib/core/errors";
import fc from "../setup/fast-check";

function errorOf(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

describe("presets and ablations", () => {
  test.each(Object.keys(presets))("%s resolves, under every ablation", (preset) => {
    for (const ablation of Object.keys(ablations)) expect(resolveConfig({ preset, ablation }).preset).toBe(preset);
  });

  test("an ablation changes what it names and nothing else", () => {
    const full = resolveConfig({ preset: "nano" });
    const changed = resolveConfig({ preset: "nano", ablation: "no-attn" });
    expect(changed).toEqual({ ...full, structure: { ...full.structure, interView: false, intraView: false } });
  });

  test("every ablation but full and its repetition differs from full in at least one preset", () => {
    for (const ablation of Object.keys(ablations).filter((name) => name !== "full" && name !== "again")) {
      const differs = Object.keys(presets).some(
        (preset) => JSON.stringify(resolveConfig({ preset, ablation })) !== JSON.stringify(resolveConfig({ preset })),
      );
      expect(differs, ablation).toBe(true);
    }
  });

  test("Table 8's base lacks the four components of Table 5, and each of its arms gives one back", () => {
    const components = {
      sg: ablations["no-sg"],
      mpe: ablations["no-mpe"],
      attn: ablations["no-attn"],
      lg: ablations["no-lg"],
    };
    const without = (names: readonly string[]): object =>
      names.reduce((sum, name) => merge(sum, components[name as keyof typeof components]), {});
    expect(ablations.base).toEqual(without(Object.keys(components)));
    for (const name of Object.keys(components)) {
      expect(ablations[`only-${name}` as keyof typeof ablations]).toEqual(
        without(Object.keys(components).filter((other) => other !== name)),
      );
    }
  });

  test("several ablations are laid one over the other", () => {
    const both = resolveConfig({ preset: "nano", ablation: "frames-4+no-phi+frames-2" });
    const full = resolveConfig({ preset: "nano" });
    expect(both).toEqual({
      ...full,
      positions: { ...full.positions, coordinates: false },
      data: { ...full.data, frames: 2 },
    });
    expect(() => resolveConfig({ preset: "nano", ablation: "no-sg+no-ph" })).toThrow(
      'ablation "no-ph" is unknown (did you mean "no-phi"?)',
    );
  });

  test("overrides come after the ablation, and the seed last", () => {
    const config = resolveConfig({
      preset: "nano",
      ablation: "frames-4",
      set: ["data.frames=3", "data.frames=5", "seed=8"],
      seed: 2,
    });
    expect(config.data.frames).toBe(5);
    expect(config.seed).toBe(2);
  });

  test("a resolved config parses to itself, so that a stored one can be read back", () => {
    const config = resolveConfig({ preset: "llava-video-7b" });
    expect(parseConfig(JSON.parse(JSON.stringify(config)), "config.json")).toEqual(config);
  });
});

describe("errors", () => {
  test("an unknown preset", () => {
    const error = errorOf(() => resolveConfig({ preset: "nanno" }));
    expect(error.message).toMatch(/^preset "nanno" is unknown \(did you mean "nano"\?\); known: .*llava-video-7b/);
    expect(error.exitCode).toBe(2);
  });

  test("an unknown ablation", () => {
    const error = errorOf(() => resolveConfig({ preset: "nano", ablation: "no-atn" }));
    expect(error.message).toMatch(
      /^ablation "no-atn" is unknown \(did you mean "no-attn"\?\); known: full, again, no-sg/,
    );
    expect(error.exitCode).toBe(2);
  });

  test("names that every object has are no presets", () => {
    expect(errorOf(() => resolveConfig({ preset: "toString" })).message).toMatch(/^preset "toString" is unknown/);
    expect(errorOf(() => resolveConfig({ preset: "nano", ablation: "constructor" })).message).toMatch(
      /^ablation "constructor" is unknown/,
    );
  });

  test("an unknown prompt template", () => {
    expect(errorOf(() => resolveConfig({ preset: "nano", set: ["prompt.template=chatml"] })).message).toMatch(
      /prompt\.template: .*"released"\|"compact"/,
    );
  });

  test("an unknown key, deep and at the top", () => {
    const deep = errorOf(() => resolveConfig({ preset: "nano", set: ["training.step=3"] }));
    expect(deep.message).toMatch(
      /^config from preset "nano": unknown key "step" at training \(did you mean "steps"\?\); known: steps, epochs/,
    );
    expect(deep.exitCode).toBe(2);
    const top = errorOf(() => resolveConfig({ preset: "nano", ablation: "no-lg", set: ["trainin.steps=3"] }));
    const start = 'config from preset "nano", ablation "no-lg": unknown key "trainin" at the top level ';
    expect(top.message.startsWith(`${start}(did you mean "training"?)`), top.message).toBe(true);
  });

  test("a value of the wrong kind or out of range names its path", () => {
    expect(errorOf(() => resolveConfig({ preset: "nano", set: ["data.frames=many"] })).message).toContain(
      "data.frames:",
    );
    expect(errorOf(() => resolveConfig({ preset: "nano", set: ["data.frames=0"] })).message).toContain("data.frames:");
    expect(errorOf(() => resolveConfig({ preset: "nano", set: ["structure.layout=ours"] })).message).toContain(
      "structure.layout:",
    );
  });

  test("sizes that do not divide name both numbers", () => {
    expect(errorOf(() => resolveConfig({ preset: "nano", set: ["language.heads=3"] })).message).toContain(
      "(3 does not divide 128)",
    );
    expect(errorOf(() => resolveConfig({ preset: "nano", set: ["structure.heads=5"] })).message).toContain(
      "vision.hiddenSize must be divisible by structure.heads",
    );
  });

  test.each(["steps", "=3", "a..b=3", "a b=3", ".a=1"])("an override written as %j", (text) => {
    expect(errorOf(() => parseOverride(text)).message).toBe(
      `--set takes path=value such as training.steps=30, got "${text}"`,
    );
  });
});

describe("parseOverride", () => {
  test.each([
    ["seed=3", { seed: 3 }],
    ["data.frames=24", { data: { frames: 24 } }],
    ["data.folder=data/rooms/x=y", { data: { folder: "data/rooms/x=y" } }],
    ["structure.interView=false", { structure: { interView: false } }],
    ["positions.min=[-1,-2,-3]", { positions: { min: [-1, -2, -3] } }],
    ["data.folder=", { data: { folder: "" } }],
  ])("%s", (text, expected) => {
    expect(parseOverride(text)).toEqual(expected);
  });
});

describe("merge", () => {
  const record = fc.letrec<{ node: unknown; record: Record<string, unknown> }>((tie) => ({
    node: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.array(fc.integer(), { maxLength: 3 }), tie("record")),
    record: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("node"), { maxKeys: 4 }),
  })).record;

  test("nothing changes nothing; the whole laid over itself is itself", () => {
    fc.assert(
      fc.property(record, (base) => {
        expect(merge(base, {})).toEqual(base);
        expect(merge({}, base)).toEqual(base);
        expect(merge(base, base)).toEqual(base);
      }),
    );
  });

  test("laying on twice is laying on once, and arguments stay as they were", () => {
    fc.assert(
      fc.property(record, record, (base, change) => {
        const before = JSON.stringify([base, change]);
        const once = merge(base, change);
        expect(merge(once, change)).toEqual(once);
        expect(JSON.stringify([base, change])).toBe(before);
      }),
    );
  });

  test("records merge, arrays and scalars replace", () => {
    expect(merge({ a: { x: 1, y: [1, 2] }, b: 1 }, { a: { y: [3] }, c: {} })).toEqual({
      a: { x: 1, y: [3] },
      b: 1,
      c: {},
    });
    expect(merge({ a: 1 }, { a: { x: 1 } })).toEqual({ a: { x: 1 } });
  });
});

test("a training has a length, and weights have sets and epochs to weigh", () => {
  const nano = presets.nano as unknown as Record<string, unknown>;
  const { steps: _steps, ...rest } = presets.nano.training;
  expect(errorOf(() => parseConfig({ ...nano, training: rest }, "test")).message).toBe(
    "config from test: training has neither epochs nor steps; set training.epochs=1, or training.steps",
  );
  expect(resolveConfig({ preset: "nano", set: ["training.epochs=2"] }).training).toMatchObject({
    epochs: 2,
    steps: 1100,
  });
  expect(resolveConfig({ preset: "llava-video-7b" }).training).toMatchObject({ epochs: 1 });
  const weights = (...set: string[]) => errorOf(() => resolveConfig({ preset: "llava-video-7b", set })).message;
  expect(weights("data.sentenceWeights.sr3d=2")).toContain(
    'data.sentenceWeights names sr3d, but data.sentences is ["scanrefer"]; name it there',
  );
  expect(errorOf(() => resolveConfig({ preset: "nano", set: ["data.sentenceWeights.scanrefer=2"] })).message).toContain(
    "data.sentenceWeights is for training by epochs; set training.epochs, or leave the weights out",
  );
  expect(weights("data.sentenceWeights.scanrefer=0")).toContain("data.sentenceWeights.scanrefer");
});
