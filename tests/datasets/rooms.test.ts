import { describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { cameraOf, walk } from "../../lib/datasets/rooms/cameras";
import { isPhrased } from "../../lib/datasets/rooms/check";
import { type ColourName, classes, classNames, colourNames } from "../../lib/datasets/rooms/classes";
import { RoomsConfig } from "../../lib/datasets/rooms/config";
import { detect } from "../../lib/datasets/rooms/detector";
import { drawLayout, type Layout } from "../../lib/datasets/rooms/layout";
import { meshOf } from "../../lib/datasets/rooms/mesh";
import { phrase, quotas, sentencePhrases, words } from "../../lib/datasets/rooms/phrases";
import { render } from "../../lib/datasets/rooms/render";
import { expose } from "../../lib/datasets/rooms/sensor";
import { questionsOf, type Shown, writeSentences } from "../../lib/datasets/rooms/sentences";
import { placeParts } from "../../lib/datasets/rooms/shapes";
import { type Finish, solidOf } from "../../lib/datasets/rooms/solid";
import { type Box, boundsOf } from "../../lib/geometry/box";
import { invertRigid, turnAndShift } from "../../lib/geometry/rigid";
import fc from "../setup/fast-check";

const config = RoomsConfig.parse({ name: "test" });
const seeds = fc.integer({ min: 0, max: 1_000_000 });

function layoutOf(seed: number): Layout {
  const rng = new Rng(seed, "test-room");
  for (;;) {
    const layout = drawLayout(config, rng);
    if (layout !== undefined) return layout;
  }
}

describe("classes", () => {
  test("there are at least 15, with 8 colours", () => {
    expect(classNames.length).toBeGreaterThanOrEqual(15);
    expect(colourNames.length).toBe(8);
  });

  test.each(classNames)("the parts of a %s fill its box exactly, however it is turned", (name) => {
    for (let turns = 0; turns < 4; turns++) {
      const parts = placeParts(name, [1.2, 0.7, 0.9], turns, [3, -2, 0.4]);
      const low = [0, 1, 2].map((k) => Math.min(...parts.map((p) => p.bounds[k]!)));
      const high = [3, 4, 5].map((k) => Math.max(...parts.map((p) => p.bounds[k]!)));
      const [w, d] = turns % 2 === 0 ? [1.2, 0.7] : [0.7, 1.2];
      [3 - w / 2, -2 - d / 2, 0.4].forEach((x, k) => expect(low[k]).toBeCloseTo(x, 9));
      [3 + w / 2, -2 + d / 2, 1.3].forEach((x, k) => expect(high[k]).toBeCloseTo(x, 9));
      expect(parts.every((p) => [0, 1, 2].every((k) => p.bounds[k]! < p.bounds[k + 3]!))).toBe(true);
    }
  });
});

describe("layout", () => {
  test("nothing intersects, all is inside, roles are as described", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { size, objects } = layoutOf(seed);
        expect(objects.map((o) => o.id)).toEqual(objects.map((_, i) => i));
        expect(objects.length).toBeGreaterThanOrEqual(11);
        // 15, or a full room of 14 with two small objects
        expect(objects.length).toBeLessThanOrEqual(16);
        for (const a of objects) {
          const [x0, y0, z0, x1, y1, z1] = boundsOf(a.box);
          expect(
            x0 >= -size[0] / 2 &&
              x1 <= size[0] / 2 &&
              y0 >= -size[1] / 2 &&
              y1 <= size[1] / 2 &&
              z0 >= -1e-9 &&
              z1 <= size[2],
          ).toBe(true);
          for (const b of objects) {
            if (b.id <= a.id) continue;
            const q = boundsOf(b.box);
            const overlap = [0, 1, 2].map(
              (k) => Math.min(boundsOf(a.box)[k + 3]!, q[k + 3]!) - Math.max(boundsOf(a.box)[k]!, q[k]!),
            );
            expect(overlap.every((o) => o > 1e-9)).toBe(false);
          }
          // targets and furniture stand on the floor: box height must not tell what they are or stand on
          if (a.role !== "small") expect(z0).toBeCloseTo(0, 9);
        }
        const anchors = objects.filter((o) => o.role === "anchor");
        expect(new Set(anchors.map((o) => `${o.colour} ${o.label}`)).size).toBe(anchors.length);
        expect([4, 5]).toContain(anchors.length);
        const targets = new Map<string, (typeof objects)[number][]>();
        for (const o of objects) if (o.role === "target") targets.set(o.label, [...(targets.get(o.label) ?? []), o]);
        expect(targets.size).toBe(2);
        for (const group of targets.values()) {
          expect(group.length).toBeGreaterThanOrEqual(3);
          expect(group.length).toBeLessThanOrEqual(5);
          expect(new Set(group.map((o) => o.colour)).size).toBe(1);
        }
        for (const o of objects.filter((p) => p.role === "small")) {
          const under = anchors.filter(
            (s) =>
              Math.abs(boundsOf(s.box)[5] - boundsOf(o.box)[2]) < 1e-9 &&
              Math.abs(s.box[0] - o.box[0]) < s.box[3] / 2 &&
              Math.abs(s.box[1] - o.box[1]) < s.box[4] / 2,
          );
          expect(under.length).toBe(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("heights of all floor classes come from one range", () => {
    const heights = new Map<string, number[]>();
    for (let seed = 0; seed < 150; seed++) {
      for (const o of layoutOf(seed).objects)
        if (classes[o.label].role !== "small") heights.set(o.label, [...(heights.get(o.label) ?? []), o.box[5]]);
    }
    const means = [...heights.values()].map((h) => h.reduce((a, b) => a + b, 0) / h.length);
    // uniform in 0.45..1.1: mean 0.775, standard error below 0.03 with 50 and more of each class
    for (const m of means) expect(Math.abs(m - 0.775)).toBeLessThan(0.08);
  });
});

/** What a sentence says, read back from its words. */
interface Reading {
  readonly kind: string;
  readonly label: string;
  readonly anchors: string[];
  readonly side?: "leftmost" | "rightmost";
}

/** Reads a sentence with regular expressions, without the templates. */
function parse(text: string): Reading | undefined {
  const one = classNames.join("|");
  const plural = classNames.map((c) => classes[c].plural).join("|");
  const named = `(?:${colourNames.join("|")}) (?:${one})`;
  const label = (text_: string): string => classNames.find((c) => c === text_ || classes[c].plural === text_)!;
  const group = new RegExp(`(?:^of the (${plural}),|(?:^the|leftmost|rightmost) (${one})\\b)`).exec(text);
  if (group === null) return undefined;
  const anchors = [...text.matchAll(new RegExp(named, "g"))].map((m) => m[0]);
  const base = { label: label(group[1] ?? group[2]!), anchors };
  const side = /leftmost|rightmost/.exec(text)?.[0] as Reading["side"];
  if (side !== undefined) return { ...base, kind: "view", side };
  if (/closest|nearest/.test(text)) return { ...base, kind: "closest" };
  if (/farthest|most distant/.test(text)) return { ...base, kind: "farthest" };
  if (/between/.test(text)) return { ...base, kind: "between" };
  if (/\bon (top of )?the\b/.test(text)) return { ...base, kind: "support" };
  return undefined;
}

/**
 * Which objects a relation could mean, with geometry of its own: polar angles, ellipses, argmin; no margins of the
 * maker.
 */
function answersOf(reading: Reading, layout: Layout): number[] {
  const group = layout.objects.filter((o) => o.label === reading.label);
  const anchors = reading.anchors.map((name) => {
    const found = layout.objects.filter((o) => `${o.colour} ${o.label}` === name);
    expect(found.length).toBe(1);
    return found[0]!;
  });
  const at = (box: Box) => ({ x: box[0], y: box[1] });
  const squared = (a: Box, b: Box): number => (at(a).x - at(b).x) ** 2 + (at(a).y - at(b).y) ** 2;
  const ids = (score: (box: Box) => number): number[] => {
    const least = Math.min(...group.map((o) => score(o.box)));
    return group.filter((o) => score(o.box) === least).map((o) => o.id);
  };
  const [a, b] = anchors.map((o) => o.box);
  switch (reading.kind) {
    case "closest":
      return ids((box) => squared(box, a!));
    case "farthest":
      return ids((box) => -squared(box, a!));
    case "between": {
      // inside the ellipse with the anchors as foci whose long axis is 1.15 times their distance
      const focal = Math.sqrt(squared(a!, b!));
      return group
        .filter((o) => Math.sqrt(squared(o.box, a!)) + Math.sqrt(squared(o.box, b!)) <= 1.15 * focal + 1e-9)
        .map((o) => o.id);
    }
    case "support":
      return group
        .filter((o) => {
          const [p, q] = [boundsOf(o.box), boundsOf(a!)];
          return Math.abs(p[2] - q[5]) < 1e-6 && p[0] < q[3] && p[3] > q[0] && p[1] < q[4] && p[4] > q[1];
        })
        .map((o) => o.id);
    default: {
      // turn the room so that the anchor lies along +x from the middle; left is then +y
      const turn = -Math.atan2(a![1], a![0]);
      const left = (box: Box): number => Math.hypot(box[0], box[1]) * Math.sin(Math.atan2(box[1], box[0]) + turn);
      return ids((box) => (reading.side === "leftmost" ? -left(box) : left(box)));
    }
  }
}

function everything(layout: Layout): Shown {
  const all = new Set(layout.objects.map((o) => o.id));
  return { attribute: all, relation: all };
}

describe("sentences", () => {
  test("ask for and name only what was shown, with one answer among all objects", () => {
    let dropped = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        const layout = layoutOf(seed);
        const rng = new Rng(seed, "shown");
        const some = (): Set<number> => new Set(layout.objects.filter(() => rng.uniform(0, 1) < 0.7).map((o) => o.id));
        const shown = { attribute: some(), relation: some() };
        dropped += 2 * layout.objects.length - shown.attribute.size - shown.relation.size;
        for (const s of writeSentences(layout, shown, 30, config, new Rng(seed, "sentences"))) {
          for (const id of [s.target, ...s.anchors])
            expect(shown[s.kind === "attribute" ? s.kind : "relation"].has(id), s.text).toBe(true);
          if (s.kind !== "attribute") expect(answersOf(parse(s.text)!, layout), s.text).toEqual([s.target]);
        }
      }),
      { numRuns: 40 },
    );
    expect(dropped).toBeGreaterThan(100);
  });

  test("each relation has exactly one answer, derived again with other geometry", () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(seeds, (seed) => {
        const layout = layoutOf(seed);
        for (const s of writeSentences(layout, everything(layout), 30, config, new Rng(seed, "sentences"))) {
          if (s.kind === "attribute") continue;
          const reading = parse(s.text);
          expect(reading, s.text).toBeDefined();
          expect(reading!.kind, s.text).toBe(s.kind);
          expect(reading!.label).toBe(layout.objects[s.target]!.label);
          expect(reading!.anchors).toEqual(
            s.anchors.map((id) => `${layout.objects[id]!.colour} ${layout.objects[id]!.label}`),
          );
          expect(answersOf(reading!, layout), s.text).toEqual([s.target]);
          kinds.add(s.kind);
        }
      }),
      { numRuns: 60 },
    );
    expect([...kinds].sort()).toEqual(["between", "closest", "farthest", "support", "view"]);
  });

  test("each attribute sentence names one object by class, or class and colour", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const layout = layoutOf(seed);
        for (const s of writeSentences(layout, everything(layout), 30, config, new Rng(seed, "sentences"))) {
          if (s.kind !== "attribute") continue;
          const target = layout.objects[s.target]!;
          expect(s.text.includes(target.label) || s.text.includes(`${classes[target.label].plural},`), s.text).toBe(
            true,
          );
          const colour = colourNames.find((c) => s.text.split(" ").includes(c)) as ColourName | undefined;
          const fits = layout.objects.filter(
            (o) => o.label === target.label && (colour === undefined || o.colour === colour),
          );
          expect(
            fits.map((o) => o.id),
            s.text,
          ).toEqual([s.target]);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("answers are balanced within each class and kind, and texts do not repeat", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const layout = layoutOf(seed);
        const sentences = writeSentences(layout, everything(layout), 30, config, new Rng(seed, "sentences"));
        expect(new Set(sentences.map((s) => s.text)).size).toBe(sentences.length);
        for (const { kind, label, byAnswer } of questionsOf(layout, config.margins, everything(layout))) {
          expect(byAnswer.size).toBeGreaterThanOrEqual(2);
          const counts = [...byAnswer.keys()].map(
            (id) =>
              sentences.filter(
                (s) =>
                  s.kind === kind && s.target === id && (label === "" || layout.objects[s.target]!.label === label),
              ).length,
          );
          // whole rounds over all answers, the last one begun
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("objects of one colour and class are never asked for by attribute", () => {
    const layout = layoutOf(3);
    const sentences = writeSentences(layout, everything(layout), 30, config, new Rng(3, "sentences"));
    expect(sentences.filter((s) => s.kind === "attribute" && layout.objects[s.target]!.role === "target")).toEqual([]);
  });

  test("are made of the phrases of the inventory, and of few", () => {
    expect(new Set(sentencePhrases).size).toBe(sentencePhrases.length);
    for (let seed = 0; seed < 40; seed++) {
      for (const s of writeSentences(
        layoutOf(seed),
        everything(layoutOf(seed)),
        30,
        config,
        new Rng(seed, "sentences"),
      )) {
        expect(isPhrased(s.text), s.text).toBe(true);
        expect(s.text).toMatch(/^[a-z, ]+$/);
        expect(s.text).not.toMatch(/ {2}| ,/);
      }
    }
    expect(isPhrased("the chair closest to the red table")).toBe(true);
    expect(isPhrased("the chair closest to red table")).toBe(false);
  });

  test("wording, and words as ScanRefer lists them", () => {
    const chair = { label: "chair", colour: "red" } as const;
    const table = { label: "table", colour: "blue" } as const;
    const bed = { label: "bed", colour: "white" } as const;
    expect(phrase("closest", 0, chair, [table])).toBe("the chair closest to the blue table");
    expect(phrase("between", 3, chair, [table, bed])).toBe(
      "of the chairs, the one between the blue table and the white bed",
    );
    expect(phrase("leftmost", 0, chair, [bed])).toBe(
      "facing the white bed from the middle of the room, the leftmost chair",
    );
    expect(phrase("coloured", 2, chair, [])).toBe("it is the red chair");
    expect(words("of the chairs, the red one")).toEqual(["of", "the", "chairs", ",", "the", "red", "one"]);
  });

  test("quotas add up", () => {
    fc.assert(
      fc.property(seeds, fc.nat(40), (seed, n) => {
        const got = quotas(
          n,
          new Map([
            ["a", 0.5],
            ["b", 0.3],
            ["c", 0.2],
          ]),
          new Rng(seed, "quotas"),
        );
        expect([...got.values()].reduce((a, b) => a + b, 0)).toBe(n);
        expect(Math.abs(got.get("a")! - 0.5 * n)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("pictures", () => {
  const finish: Finish = { floor: [120, 110, 100], walls: [200, 200, 200], light: [0, 0, 1] };
  const size = 64;
  const k = cameraOf({ ...config, image: size });

  test("every pixel's point lies on the object it shows, or on the room's walls", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const layout = layoutOf(seed);
        const [pose] = walk(layout, 1, new Rng(seed, "walk"));
        const { depth, objects } = render(solidOf(layout, finish), k, pose!, size);
        for (let i = 0; i < size * size; i += 7) {
          const d = depth[i]!;
          const camera = [(((i % size) - k.cx) / k.fx) * d, ((Math.floor(i / size) - k.cy) / k.fy) * d, d];
          const point = [0, 1, 2].map(
            (r) =>
              pose![4 * r]! * camera[0]! +
              pose![4 * r + 1]! * camera[1]! +
              pose![4 * r + 2]! * camera[2]! +
              pose![4 * r + 3]!,
          );
          const id = objects[i]!;
          if (id < 0) {
            const [w, b, h] = layout.size;
            const off = Math.min(
              Math.abs(Math.abs(point[0]!) - w / 2),
              Math.abs(Math.abs(point[1]!) - b / 2),
              Math.abs(point[2]!),
              Math.abs(point[2]! - h),
            );
            expect(off).toBeLessThan(1e-3);
          } else {
            const [x0, y0, z0, x1, y1, z1] = boundsOf(layout.objects[id]!.box);
            expect(
              point[0]! > x0 - 1e-3 &&
                point[0]! < x1 + 1e-3 &&
                point[1]! > y0 - 1e-3 &&
                point[1]! < y1 + 1e-3 &&
                point[2]! > z0 - 1e-3 &&
                point[2]! < z1 + 1e-3,
            ).toBe(true);
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  test("what is in front hides what is behind", () => {
    const block = (id: number, x: number) => ({
      id,
      label: "box" as const,
      colour: "red" as const,
      role: "single" as const,
      box: [x, 0, 1, 0.4, 2, 2] as const,
      parts: [{ shape: "box" as const, tone: "main" as const, bounds: [x - 0.2, -1, 0, x + 0.2, 1, 2] as const }],
    });
    const ahead = Float64Array.of(0, 0, 1, -3, -1, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 1);
    const picture = render(solidOf({ size: [8, 8, 3], objects: [block(0, 2), block(1, 0)] }, finish), k, ahead, size);
    const middle = 32 * size + 32;
    expect(picture.objects[middle]).toBe(1);
    // front face of the near block at x = -0.2, camera at x = -3
    expect(picture.depth[middle]).toBeCloseTo(2.8, 5);
  });

  test("a cylinder is as deep as its surface", () => {
    const post = {
      id: 0,
      label: "vase" as const,
      colour: "blue" as const,
      role: "single" as const,
      box: [0, 0, 1, 1, 1, 2] as const,
      parts: [{ shape: "cylinder" as const, tone: "main" as const, bounds: [-0.5, -0.5, 0, 0.5, 0.5, 2] as const }],
    };
    const ahead = Float64Array.of(0, 0, 1, -3, -1, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 1);
    const exact = { ...k, cx: 32, cy: 32 };
    const { depth } = render(solidOf({ size: [8, 8, 3], objects: [post] }, finish), exact, ahead, size);
    expect(depth[32 * size + 32]).toBeCloseTo(2.5, 5);
    // the ray with slope s meets the circle where (t - 3)^2 + (s t)^2 = 1/4
    const s = 5 / exact.fx;
    const t = (3 - Math.sqrt(9 - (1 + s * s) * 8.75)) / (1 + s * s);
    expect(depth[32 * size + 37]).toBeCloseTo(t, 4);
  });

  test("the sensor loses about the stated share of depth and keeps the rest close", () => {
    const layout = layoutOf(5);
    const [pose] = walk(layout, 1, new Rng(5, "walk"));
    const picture = render(solidOf(layout, finish), k, pose!, size);
    let holes = 0;
    let error = 0;
    for (let i = 0; i < 20; i++) {
      const { depth } = expose(picture, size, config, new Rng(i, "sensor"));
      depth.forEach((mm, p) => {
        if (mm === 0) holes++;
        else error += Math.abs(mm / 1000 / picture.depth[p]! - 1);
      });
    }
    expect(holes / (20 * size * size)).toBeGreaterThan(0.04);
    expect(holes / (20 * size * size)).toBeLessThan(0.09);
    // mean of |N(0, 0.005)| is 0.004
    expect(error / (20 * size * size - holes)).toBeCloseTo(0.004, 3);
  });

  test("cameras are inside the room, upright and above the furniture", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const layout = layoutOf(seed);
        for (const pose of walk(layout, 12, new Rng(seed, "walk"))) {
          const [x, y, z] = [pose[3]!, pose[7]!, pose[11]!];
          expect(
            Math.abs(x) < layout.size[0] / 2 && Math.abs(y) < layout.size[1] / 2 && z > 1.1 && z < layout.size[2],
          ).toBe(true);
          // image "down" points downwards
          expect(pose[9]).toBeLessThan(0);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("mesh and detector", () => {
  test("an object's vertices have its box as bounds", () => {
    const layout = layoutOf(8);
    const alignment = turnAndShift(0.7, 1, 2, 0.1);
    const { mesh, segments, objectSegments } = meshOf(
      layout,
      { floor: [0, 0, 0], walls: [1, 1, 1], light: [0, 0, 1] },
      invertRigid(alignment),
    );
    expect(segments.length).toBe(mesh.points.length / 3);
    expect(Math.max(...mesh.faces)).toBeLessThan(segments.length);
    expect(mesh.points.length / 3).toBeLessThan(1500);
    layout.objects.forEach((object, o) => {
      const own = new Set(objectSegments[o]);
      const low = [Infinity, Infinity, Infinity];
      const high = [-Infinity, -Infinity, -Infinity];
      segments.forEach((segment, v) => {
        if (!own.has(segment)) return;
        const p = mesh.points.subarray(3 * v, 3 * v + 3);
        [0, 1, 2].forEach((r) => {
          const value =
            alignment[4 * r]! * p[0]! +
            alignment[4 * r + 1]! * p[1]! +
            alignment[4 * r + 2]! * p[2]! +
            alignment[4 * r + 3]!;
          low[r] = Math.min(low[r]!, value);
          high[r] = Math.max(high[r]!, value);
        });
      });
      boundsOf(object.box).forEach((x, i) => expect(i < 3 ? low[i] : high[i - 3]).toBeCloseTo(x, 5));
    });
  });

  test("the detector misses, doubles and invents as stated", () => {
    let [objects, found, total, rooms] = [0, 0, 0, 0];
    for (let seed = 0; seed < 120; seed++) {
      const layout = layoutOf(seed);
      const proposals = detect(layout, config.detector, new Rng(seed, "detector"));
      rooms++;
      objects += layout.objects.length;
      total += proposals.length;
      found += layout.objects.filter((o) =>
        proposals.some((p) => p.label === o.label && Math.hypot(...[0, 1, 2].map((k) => p.box[k]! - o.box[k]!)) < 0.3),
      ).length;
      expect(proposals.every((p) => p.box.every(Number.isFinite) && p.box.slice(3).every((x) => x > 0))).toBe(true);
    }
    // 6% missed; per room 5% doubled and 3 to 6 invented
    expect(found / objects).toBeGreaterThan(0.92);
    expect(found / objects).toBeLessThan(0.97);
    expect((total - 0.987 * objects) / rooms).toBeGreaterThan(4);
    expect((total - 0.987 * objects) / rooms).toBeLessThan(5);
  });
});
