import type { Rng } from "../../core/rng";
import { type Box, boundsOf, iou, jitteredBox } from "../../geometry/box";
import type { Proposal } from "../scene";
import { classes, classNames } from "./classes";
import type { RoomsConfig } from "./config";
import type { Layout } from "./layout";

function jittered(box: Box, config: RoomsConfig["detector"], rng: Rng): Box {
  const { edge } = config;
  if (edge !== undefined) return jitteredBox(box, edge, () => rng.normal());
  const shift = (i: 0 | 1 | 2): number => box[i] + rng.normal() * Math.max(config.centre, 0.04 * box[i + 3]!);
  const size = (i: 3 | 4 | 5): number => box[i] * Math.exp(rng.normal() * config.logSize);
  return [shift(0), shift(1), shift(2), size(3), size(4), size(5)];
}

const rounded = ([x, y, z, dx, dy, dz]: Box): Box => {
  const to = (n: number): number => Math.round(n * 1e4) / 1e4;
  return [to(x), to(y), to(z), to(dx), to(dy), to(dz)];
};

/**
 * What a detector would offer for a room: boxes that jitter, some objects missed, some found twice, some that are none.
 * The centre's standard deviation is `centre` metres or 4% of the edge, whichever is more.
 */
export function detect(layout: Layout, config: RoomsConfig["detector"], rng: Rng): Proposal[] {
  const found: Proposal[] = [];
  for (const object of layout.objects) {
    if (rng.next() < config.miss) continue;
    const copies = rng.next() < config.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const box = jittered(object.box, config, rng);
      // duplicates are worse and know it
      const score = Math.max(0.05, Math.min(0.99, rng.uniform(0.55, 0.99) - 0.2 * i));
      found.push({ box: rounded(box), label: object.label, score: Math.round(score * 1e3) / 1e3 });
    }
  }
  const [least, most] = config.falsePositives;
  const extra = least + rng.int(most - least + 1);
  for (let i = 0; i < extra; ) {
    const label = rng.pick(classNames);
    const { width, depth } = classes[label];
    const size = [rng.uniform(...width), rng.uniform(...depth), rng.uniform(0.4, 1.1)] as const;
    const at = (k: 0 | 1): number => rng.uniform(-0.5, 0.5) * (layout.size[k] - size[k]);
    const box: Box = [at(0), at(1), size[2] / 2, ...size];
    // a false positive may touch an object, not stand for it
    if (layout.objects.some((o) => iou(o.box, box) >= 0.25) || boundsOf(box)[5] > layout.size[2]) continue;
    found.push({ box: rounded(box), label, score: Math.round(rng.uniform(0.1, 0.6) * 1e3) / 1e3 });
    i++;
  }
  return rng.shuffle(found);
}
