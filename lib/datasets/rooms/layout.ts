import type { Rng } from "../../core/rng";
import type { Box } from "../../geometry/box";
import { type ColourName, classes, classesOf, colourNames } from "./classes";
import type { RoomsConfig } from "./config";
import { type ClassName, type Part, placeParts } from "./shapes";

export interface RoomObject {
  readonly id: number;
  readonly label: ClassName;
  readonly colour: ColourName;
  /** anchor, one of several targets, one of several small objects on furniture, or a lone object. */
  readonly role: "anchor" | "target" | "small" | "single";
  readonly box: Box;
  readonly parts: readonly Part[];
}

/** A room in the axis-aligned world: the middle of its floor is the origin, +z is up. */
export interface Layout {
  readonly size: readonly [number, number, number];
  readonly objects: readonly RoomObject[];
}

type Wanted = Pick<RoomObject, "label" | "colour" | "role">;
type Placed = Omit<RoomObject, "id"> & { readonly top: number };

/** Gap between objects and to the walls. */
const gap = 0.1;

function compose(config: RoomsConfig, rng: Rng): Wanted[] {
  const [least, most] = config.objects;
  const anchorCount = 4 + rng.int(2);
  const anchorClasses = rng.shuffle(classesOf("anchor"));
  const labels = anchorClasses.slice(0, anchorCount);
  if (rng.next() < config.anchorPairShare) labels[1] = labels[0]!;
  const free = new Map(anchorClasses.map((label) => [label, rng.shuffle(colourNames)]));
  const anchors: Wanted[] = labels.map((label) => ({ label, colour: free.get(label)!.pop()!, role: "anchor" }));

  const targetClasses = rng.shuffle(classesOf("target"));
  const group = (label: ClassName, count: number, role: "target" | "small"): Wanted[] => {
    const colour = rng.pick(colourNames);
    return Array.from({ length: count }, () => ({ label, colour, role }));
  };
  const wanted = [
    ...anchors,
    ...group(targetClasses[0]!, 3 + rng.int(3), "target"),
    ...group(targetClasses[1]!, 3 + rng.int(2), "target"),
  ];

  const smallClasses = rng.shuffle(classesOf("small"));
  const supports = anchors.filter((a) => classes[a.label].flatTop).length;
  if (rng.next() < config.supportShare && supports >= 2) {
    // fewer than two would be no question
    wanted.push(
      ...group(smallClasses[0]!, Math.min(supports, 2 + rng.int(2), Math.max(2, most - wanted.length)), "small"),
    );
  }
  // lone objects: plain attribute questions
  const singles = rng.shuffle([...targetClasses.slice(2), ...smallClasses.slice(1)]);
  while (singles.length > 0 && (wanted.length < least || (wanted.length < most && rng.next() < 0.5))) {
    wanted.push({ label: singles.pop()!, colour: rng.pick(colourNames), role: "single" });
  }
  return wanted;
}

function apart(a: Box, b: Box): boolean {
  return Math.abs(a[0] - b[0]) >= (a[3] + b[3]) / 2 + gap || Math.abs(a[1] - b[1]) >= (a[4] + b[4]) / 2 + gap;
}

function draw(want: Wanted, config: RoomsConfig, rng: Rng): { size: [number, number, number]; turns: number } {
  const { width, depth, role } = classes[want.label];
  const height = role === "small" ? rng.uniform(0.36, 0.52) : rng.uniform(...config.furnitureHeight);
  return { size: [rng.uniform(...width), rng.uniform(...depth), height], turns: rng.int(4) };
}

/** One object on the floor, clear of the others; undefined when no place was found. */
function placeOnFloor(
  want: Wanted,
  room: readonly [number, number, number],
  others: readonly Placed[],
  config: RoomsConfig,
  rng: Rng,
): Placed | undefined {
  for (let attempt = 0; attempt < 60; attempt++) {
    const { size, turns } = draw(want, config, rng);
    const [w, d] = turns % 2 === 0 ? [size[0], size[1]] : [size[1], size[0]];
    const reachX = room[0] / 2 - w / 2 - gap;
    const reachY = room[1] / 2 - d / 2 - gap;
    let x = rng.uniform(-reachX, reachX);
    let y = rng.uniform(-reachY, reachY);
    if (want.role === "anchor" && rng.next() < 0.5) {
      // back to the wall: the unturned back looks to +y
      if (turns === 0) y = reachY;
      else if (turns === 1) x = -reachX;
      else if (turns === 2) y = -reachY;
      else x = reachX;
    }
    const box: Box = [x, y, size[2] / 2, w, d, size[2]];
    if (others.some((o) => !apart(o.box, box))) continue;
    return { ...want, box, top: size[2], parts: placeParts(want.label, size, turns, [x, y, 0]) };
  }
  return undefined;
}

/** One small object on top of `support`. */
function placeOnTop(want: Wanted, support: Placed, config: RoomsConfig, rng: Rng): Placed | undefined {
  for (let attempt = 0; attempt < 20; attempt++) {
    const { size, turns } = draw(want, config, rng);
    const [w, d] = turns % 2 === 0 ? [size[0], size[1]] : [size[1], size[0]];
    const slackX = support.box[3] - w;
    const slackY = support.box[4] - d;
    if (slackX < 0 || slackY < 0) continue;
    const x = support.box[0] + rng.uniform(-slackX, slackX) / 2;
    const y = support.box[1] + rng.uniform(-slackY, slackY) / 2;
    const box: Box = [x, y, support.top + size[2] / 2, w, d, size[2]];
    return {
      ...want,
      box,
      top: support.top + size[2],
      parts: placeParts(want.label, size, turns, [x, y, support.top]),
    };
  }
  return undefined;
}

/**
 * A room with its objects, none of which intersect; ids are in random order, so that an id tells nothing.
 *
 * @returns undefined when the objects did not fit; the caller draws again
 */
export function drawLayout(config: RoomsConfig, rng: Rng): Layout | undefined {
  const room = [rng.uniform(...config.side), rng.uniform(...config.side), rng.uniform(...config.height)] as const;
  const floor: Placed[] = [];
  const onTop: Placed[] = [];
  const taken = new Set<Placed>();
  for (const want of compose(config, rng)) {
    let placed: Placed | undefined;
    if (want.role === "small") {
      const free = floor.filter((o) => o.role === "anchor" && classes[o.label].flatTop && !taken.has(o));
      for (const support of rng.shuffle(free)) {
        placed = placeOnTop(want, support, config, rng);
        if (placed === undefined) continue;
        taken.add(support);
        onTop.push(placed);
        break;
      }
    } else {
      placed = placeOnFloor(want, room, floor, config, rng);
      if (placed !== undefined) floor.push(placed);
    }
    if (placed === undefined) return undefined;
  }
  const objects = rng
    .shuffle([...floor, ...onTop])
    .map(({ label, colour, role, box, parts }, id) => ({ id, label, colour, role, box, parts }));
  return { size: room, objects };
}
