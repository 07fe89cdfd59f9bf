import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { attentionFramesFigure } from "../../lib/report/figures/attention";
import { attentionScenes, publishedMaps, readAttention } from "../../lib/runs/attention";
import { rowOf, sampleAttention, storeSampleRun, writeSampleResults } from "../report/sample";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-maps-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

test("maps are found, this machine's first, read and checked", () => {
  writeSampleResults(results);
  const { run } = rowOf("full", 0);
  expect(attentionScenes()).toEqual([{ run, scene: "scene0000_00" }]);
  expect(readAttention({ run, scene: "scene0000_00" }).heads).toBe(2);
  expect(() => readAttention({ run, scene: "scene0009_00" })).toThrow(
    new RegExp(`scene0009_00\\.json is not there: run ${run} left no attention map of scene0009_00`),
  );
  const own = storeSampleRun({ map: true });
  expect(attentionScenes()).toEqual([
    { run: own.run, scene: "scene0000_00" },
    { run, scene: "scene0000_00" },
  ]);
  writeFileSync(join(publishedMaps(run), "scene0001_00.json"), "{}");
  expect(() => readAttention({ run, scene: "scene0001_00" })).toThrow(/scene0001_00\.json: .*sceneId: /);
});

test("a trial of ten steps does not replace the map of the run, and says what it is of", () => {
  const plain = storeSampleRun({ map: true });
  const trial = storeSampleRun({ map: true, set: ["training.steps=10"] });
  expect(attentionScenes().map((request) => request.run)).toHaveLength(2);
  const title = (run: string): string => {
    const figure = attentionFramesFigure(readAttention({ run, scene: "scene0000_00" }));
    return (figure.layout.title as { text: string }).text;
  };
  expect(title(plain.run)).toContain("S2-Rooms (synthetic), scene0000_00, full, nano, seed 0");
  expect(title(trial.run)).toContain("full, training.steps=10, nano, seed 0");
});

test("a map without pictures is drawn without them, and real data are not called synthetic", () => {
  const map = { ...sampleAttention(), data: "kitchens/mine", synthetic: false };
  const bare = { ...map, views: map.views.map(({ frame }) => ({ frame })) };
  const figure = attentionFramesFigure(bare);
  expect(figure.layout.images).toEqual([]);
  const title = (figure.layout.title as { text: string }).text;
  expect(title).toContain("kitchens/mine, scene0000_00");
  expect(title).not.toContain("ynthetic");
  mkdirSync(publishedMaps(map.run), { recursive: true });
  writeFileSync(join(publishedMaps(map.run), "a.json"), JSON.stringify(bare));
  expect(readAttention({ run: map.run, scene: "a" })).toEqual(bare);
});
