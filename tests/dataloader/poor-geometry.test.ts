import { expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { spoilPositions } from "../../lib/dataloader/poor-geometry";

const spoil = (set: string[], scene = "scene0000_00", view = 0, places = 2000) => {
  const { positions } = resolveConfig({ preset: "nano", set });
  const xyz = Float32Array.from({ length: 3 * places }, (_, i) => i / 100);
  const known = new Float32Array(places).fill(1);
  spoilPositions(xyz, known, positions, scene, view);
  return { xyz, known, off: [0, 1, 2].map((axis) => xyz[axis]! - Math.fround(axis / 100)) };
};

test("holes take the stated share of coordinates, the same ones for the same view", () => {
  const { known, off } = spoil(["positions.holes=0.9"]);
  expect(known.reduce((a, b) => a + b) / known.length).toBeCloseTo(0.1, 1);
  expect(off).toEqual([0, 0, 0]);
  expect(spoil(["positions.holes=0.9"]).known).toEqual(known);
  expect(spoil(["positions.holes=0.9"], "scene0000_00", 1).known).not.toEqual(known);
});

test("a pose's error moves all of a view alike, by the stated deviation over views", () => {
  const { xyz, known, off } = spoil(["positions.shift=0.3"]);
  expect(known).toEqual(new Float32Array(2000).fill(1));
  for (const place of [1, 57, 1999])
    for (const axis of [0, 1, 2]) expect(xyz[3 * place + axis]! - (3 * place + axis) / 100).toBeCloseTo(off[axis]!, 3);
  const offsets = Array.from(
    { length: 300 },
    (_, v) => spoil(["positions.shift=0.3"], "scene0001_00", v, 1).off,
  ).flat();
  const deviation = Math.sqrt(offsets.reduce((sum, o) => sum + o * o, 0) / offsets.length);
  expect(deviation).toBeGreaterThan(0.27);
  expect(deviation).toBeLessThan(0.33);
});

test("without either nothing changes", () => {
  const { known, off } = spoil([]);
  expect(known).toEqual(new Float32Array(2000).fill(1));
  expect(off).toEqual([0, 0, 0]);
});
