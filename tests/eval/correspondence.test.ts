import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { Rng } from "../../lib/core/rng";
import { recordDims, SceneRecord } from "../../lib/dataloader/record";
import {
  correspondenceOf,
  counterparts,
  type MatchedAttention,
  measureCorrespondence,
} from "../../lib/eval/correspondence";
import { identity4, multiply4, turnAndShift } from "../../lib/geometry/rigid";

const config = resolveConfig({ preset: "nano" });

/** Views of a wall 2 m in front of the first camera. */
function wall(poses: readonly Float64Array[], depths: readonly number[]): { record: SceneRecord } {
  const dims = { ...recordDims(config), pool: poses.length };
  const record = new SceneRecord(dims);
  poses.forEach((pose, v) => {
    record.setCamera(v, { fx: 100, fy: 100, cx: 55.5, cy: 55.5 }, pose);
    record.depth(v).fill(depths[v]!);
  });
  return { record };
}

const shifted = (x: number, z: number): Float64Array => {
  const pose = identity4();
  pose[3] = x;
  pose[11] = z;
  return pose;
};

describe("where depth puts the counterpart", () => {
  const dims = { ...recordDims(config), pool: 2 };
  const share = (poses: readonly Float64Array[], depths: readonly number[]): number =>
    counterparts(wall(poses, depths), [0, 1], { dims }, config).reduce((a, b) => a + b, 0) / (dims.N * 2);

  test("the same camera twice: every patch, and never in its own view", () => {
    const matches = counterparts(wall([shifted(0, 0), shifted(0, 0)], [2000, 2000]), [0, 1], { dims }, config);
    for (let n = 0; n < dims.N; n++) expect([...matches.subarray(n * 4, n * 4 + 4)]).toEqual([0, 1, 1, 0]);
  });

  test("a step of one patch to the side: none at the same index; a step of a tenth: nearly all", () => {
    // 14 pixels at 2 m and a focal length of 100 pixels are 0.28 m
    expect(share([shifted(0, 0), shifted(0.28, 0)], [2000, 2000])).toBe(0);
    expect(share([shifted(0, 0), shifted(0.028, 0)], [2000, 2000])).toBeGreaterThan(0.9);
  });

  test("what is hidden there, lies behind the camera or was not measured has none", () => {
    expect(share([shifted(0, 0), shifted(0, 0)], [2000, 1000])).toBe(0);
    expect(share([shifted(0, 0), shifted(0, 0)], [2000, 0])).toBe(0);
    // half a turn about the vertical of the image
    const turned = multiply4(Float64Array.of(-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1), identity4());
    expect(share([shifted(0, 0), turned], [2000, 2000])).toBe(0);
  });

  test("poses turned and moved together change nothing", () => {
    const move = turnAndShift(0.7, 3, -2, 1);
    const poses = [shifted(0, 0), shifted(0.05, 0.3)];
    const depths = [2000, 1700];
    expect(
      share(
        poses.map((pose) => multiply4(move, pose)),
        depths,
      ),
    ).toBe(share(poses, depths));
    expect(share(poses, depths)).toBeGreaterThan(0.1);
  });
});

describe("the weight on it", () => {
  const [N, H, V] = [16, 3, 5];
  const rng = new Rng(1, "planted");
  /** Head 0 puts 0.6 on the counterpart, head 1 the same on all, head 2 nothing on it. */
  function planted(): MatchedAttention {
    const matches = new Uint8Array(N * V * V);
    const values = new Float32Array(N * H * V * V);
    for (let n = 0; n < N; n++) {
      for (let asking = 0; asking < V; asking++) {
        const others = [0, 1, 2, 3, 4].filter((view) => view !== asking);
        const found = rng.pick(others);
        matches[(n * V + asking) * V + found] = 1;
        for (let view = 0; view < V; view++) {
          const weights = view === asking ? [0.1, 0.2, 0.4] : view === found ? [0.6, 0.2, 0] : [0.1, 0.2, 0.2];
          weights.forEach((w, h) => (values[((n * H + h) * V + asking) * V + view] = w));
        }
      }
    }
    return { inter: { shape: [N, H, V, V], values }, matches };
  }

  test("is what was planted, per head, against the other views and against shuffled ones", () => {
    const { heads, coverage, patches, scenes } = correspondenceOf([planted(), planted()]);
    expect([scenes, patches]).toEqual([2, 2 * N * V]);
    expect(coverage).toBeCloseTo(1 / (V - 1), 10);
    const [sees, blind, away] = heads as [(typeof heads)[0], (typeof heads)[0], (typeof heads)[0]];
    expect([sees.counterpart, sees.others]).toEqual([expect.closeTo(0.6, 6), expect.closeTo(0.1, 6)]);
    // one of four at random: 0.6/4 + 3·0.1/4
    expect(sees.shuffled.mean).toBeCloseTo(0.225, 2);
    expect(sees.counterpart).toBeGreaterThan(sees.shuffled.high);
    expect(blind.counterpart).toBeCloseTo(blind.others, 6);
    expect(blind.counterpart).toBeCloseTo(blind.shuffled.mean, 6);
    expect(away.counterpart).toBeLessThan(away.shuffled.low);
  });

  test("patches with a counterpart in every view, or in none, are not compared but count as covered", () => {
    const scene = planted();
    scene.matches.fill(0);
    expect(correspondenceOf([scene])).toMatchObject({ coverage: 0, patches: 0 });
    for (let i = 0; i < scene.matches.length; i++) if (Math.floor(i / V) % V !== i % V) scene.matches[i] = 1;
    expect(correspondenceOf([scene])).toMatchObject({ coverage: 1, patches: 0 });
  });
});

test("a run without inter-view attention is refused", () => {
  const off = resolveConfig({ preset: "nano", ablation: "no-attn" });
  const cache = {} as Parameters<typeof measureCorrespondence>[2];
  expect(() => measureCorrespondence(new Map(), off, cache, 5)).toThrow("structure.interView is off");
});
