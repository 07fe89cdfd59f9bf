import { type Box, boxOfBounds } from "../../geometry/box";
import { colours } from "./classes";
import type { Layout } from "./layout";
import type { Part, Tone } from "./shapes";

export type Rgb = readonly [number, number, number];

/** Walls and light of a room. */
export interface Finish {
  readonly floor: Rgb;
  readonly walls: Rgb;
  /** Direction to the light, unit. */
  readonly light: readonly [number, number, number];
}

function toned(base: Rgb, tone: Tone): Rgb {
  const mix = (other: Rgb, share: number): Rgb =>
    [0, 1, 2].map((i) => base[i]! * (1 - share) + other[i]! * share) as [number, number, number];
  switch (tone) {
    case "main":
      return base;
    case "dark":
      return mix([20, 20, 20], 0.55);
    case "light":
      return mix([250, 250, 250], 0.5);
    case "contrast":
      return base[0] * 0.3 + base[1] * 0.59 + base[2] * 0.11 > 140 ? toned(base, "dark") : toned(base, "light");
    case "glow":
      return mix([255, 250, 225], 0.3);
    case "leaf":
      return [62, 112, 48];
    case "wood":
      return [150, 112, 72];
    case "metal":
      return [150, 152, 158];
    case "screen":
      return [30, 34, 44];
  }
}

/** A room flattened for fast ray tests. */
export interface Solid {
  readonly layout: Layout;
  readonly finish: Finish;
  readonly parts: readonly Part[];
  readonly boxes: readonly Box[];
  /** Object of each part. */
  readonly owners: Int16Array;
  /** First part of each object, and the end. */
  readonly starts: readonly number[];
  /** float64[2 * parts + 2, 3] colours: of each part, of the marks on each part, of the walls, of the floor */
  readonly palette: Float64Array;
}

export function solidOf(layout: Layout, finish: Finish): Solid {
  const parts = layout.objects.flatMap((o) => o.parts);
  const tints = layout.objects.flatMap((o) => o.parts.map((part) => toned(colours[o.colour], part.tone)));
  const markTints = layout.objects.flatMap((o) =>
    o.parts.map((part) => toned(colours[o.colour], part.pattern?.tone ?? part.tone)),
  );
  const starts = [0];
  for (const o of layout.objects) starts.push(starts[starts.length - 1]! + o.parts.length);
  return {
    layout,
    finish,
    parts,
    starts,
    boxes: parts.map((p) => boxOfBounds(p.bounds)),
    owners: Int16Array.from(layout.objects.flatMap((o, id) => o.parts.map(() => id))),
    palette: Float64Array.from([...tints, ...markTints, finish.walls, finish.floor].flat()),
  };
}
