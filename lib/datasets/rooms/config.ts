import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { relationKinds } from "../scene";

/** Raised when the maker writes other bytes for the same config. */
export const roomsVersion = 5;

const Range = z.tuple([z.number(), z.number()]);

/** Where a folder of S2-Rooms says what made it; written last, so that a folder that has it is finished. */
export const manifestFile = (folder: string): string => join(folder, "rooms.json");

/** Whether a data folder is S2-Rooms: its numbers are marked "synthetic" and its frames may be passed on. */
export const isSynthetic = (folder: string): boolean => existsSync(manifestFile(folder));

/** Everything that decides what S2-Rooms contains; the same config gives the same bytes. Lengths in metres. */
export const RoomsConfig = z.strictObject({
  name: z.string(),
  seed: z.int().min(0).default(0),
  trainRooms: z.int().min(0).default(2450),
  testRooms: z.int().min(1).default(250),
  /** Sentences of a room. */
  trainSentences: z.int().min(1).default(30),
  testSentences: z.int().min(1).default(16),
  /** Side of the square colour and depth images, pixels. */
  image: z.int().min(16).default(112),
  /** Field of view across the image, degrees. */
  fieldOfView: z.number().min(20).max(120).default(66),
  /** Frames with a valid pose in each room. */
  frames: z.int().min(1).default(12),
  /** Every this many rooms one more frame is written, with an infinite pose; 0: never. */
  lostPoseEvery: z.int().min(0).default(10),
  /** Length of a room's sides. */
  side: Range.default([4, 5.4]),
  height: Range.default([2.5, 3]),
  /** Objects of a room, least and most; two small objects on furniture may come on top of a full room. */
  objects: z.tuple([z.int(), z.int()]).default([11, 15]),
  /** One range for every class that stands on the floor, so that height tells nothing about the class. */
  furnitureHeight: Range.default([0.45, 1.1]),
  /** Share of the rooms with two anchors of one class (in different colours). */
  anchorPairShare: z.number().min(0).max(1).default(0.6),
  /** Share of the rooms in which several small objects of one class stand on different furniture. */
  supportShare: z.number().min(0).max(1).default(0.45),
  /** Layouts tried for each room; the one with the richest answers is kept. */
  layouts: z.int().min(1).default(24),
  /** Aimed share of each kind of sentence; a kind without a fair question in a room gives its share to the others. */
  mix: z.partialRecord(z.enum(relationKinds), z.number().min(0)).default({
    attribute: 0.26,
    closest: 0.27,
    farthest: 0.23,
    between: 0.18,
    support: 0.11,
    view: 0.05,
  }),
  /**
   * What a sentence asks for or names is shown by at least `frames` frames on at least `share` of their pixels each.
   * `attributeShare` is the share for attribute sentences: they have no landmark to reason from, only the look of the
   * object.
   */
  shown: z
    .strictObject({
      frames: z.int().min(0).default(2),
      share: z.number().min(0).max(1).default(0.01),
      attributeShare: z.number().min(0).max(1).default(0.06),
    })
    .prefault({}),
  /** Margins that make an answer unmistakable. */
  margins: z
    .strictObject({
      /** closest: the second must be this much farther, in metres and as a share. */
      closest: z.number().default(0.4),
      closestShare: z.number().default(0.25),
      /** farthest: the second must be this much nearer. */
      farthest: z.number().default(0.4),
      farthestShare: z.number().default(0.1),
      /**
       * between: (way over the answer) / (straight way) at most this; every other instance at least `detourGap` more.
       */
      detour: z.number().default(1.15),
      detourGap: z.number().default(0.2),
      /** between: the two anchors are at least this far apart. */
      anchorGap: z.number().default(1.5),
      /** view: sideways distance from the second, and how far the anchor and the answer lie in front of the viewer. */
      view: z.number().default(0.5),
      viewAhead: z.number().default(0.3),
    })
    .prefault({}),
  /**
   * Sensor: share of depth holes as blobs and as single pixels, depth noise as a share, colour noise in grey levels.
   */
  holeBlobs: z.number().min(0).max(1).default(0.04),
  holePixels: z.number().min(0).max(1).default(0.02),
  depthNoise: z.number().min(0).default(0.005),
  colourNoise: z.number().min(0).default(3),
  /** The finished room is this many times as large: places, depth, boxes and mesh; its pictures are the same. */
  scale: z.number().positive().optional(),
  /** Share of the depth image without a measurement, in blobs; in place of `holeBlobs` and `holePixels` where given. */
  holeShare: z.number().min(0).max(0.99).optional(),
  /** Share of the way around the room that the frames are taken on; once around unless given. */
  walk: z.number().gt(0).max(1).optional(),
  /** No frame that shows the class of what a sentence asks for shows an anchor that it names. */
  splitEvidence: z.boolean().optional(),
  /** Descriptions of several clauses in ScanRefer's manner, in place of `mix` (natural.ts). */
  natural: z.boolean().optional(),
  /** Share of the test sentences whose annotation names another object of the class than the sentence means. */
  wrongLabels: z.number().min(0).max(1).optional(),
  /** Error of the written poses: metres and degrees, standard deviation of each axis. */
  poseShift: z.number().min(0).default(0.005),
  poseTurn: z.number().min(0).default(0.15),
  /** Detector imitation: misses, jitter of the centre and of the log size, duplicates, false positives. */
  detector: z
    .strictObject({
      miss: z.number().default(0.06),
      centre: z.number().default(0.04),
      logSize: z.number().default(0.1),
      duplicate: z.number().default(0.05),
      falsePositives: z.tuple([z.int(), z.int()]).default([3, 6]),
      /** Jitter of centre and size as a share of the edge alone, standard deviation; in place of the two above. */
      edge: z.number().min(0).optional(),
    })
    .prefault({}),
});
export type RoomsConfig = z.output<typeof RoomsConfig>;

const test = { seed: 1, trainRooms: 0, testRooms: 500, testSentences: 8 } as const;
const trueBoxes = { miss: 0, duplicate: 0, falsePositives: [0, 0] as [number, number], edge: 0 };
const split = {
  trainRooms: 0,
  testRooms: 2500,
  testSentences: 4,
  mix: { closest: 0.4, farthest: 0.3, between: 0.3 },
  lostPoseEvery: 0,
  fieldOfView: 50,
  splitEvidence: true,
} as const;
const viewpointMix = { attribute: 0.2, closest: 0.21, farthest: 0.19, between: 0.15, viewpoint: 0.25 } as const;

/** The sets that `data make --size` knows by name. A set "x-test" holds the test rooms of what is trained on "x". */
export const roomSets = {
  /** What `npm start` trains on. */
  nano: { name: "nano" },
  /** Fresh rooms of another seed: nothing is chosen on them, as it is on nano's own test rooms (the dev split). */
  "nano-test": { ...test, name: "nano-test" },
  /** A quarter of the sentences state a viewpoint: "standing at …, facing …, on the left". */
  viewpoint: { name: "viewpoint", mix: viewpointMix },
  "viewpoint-test": { ...test, name: "viewpoint-test", mix: viewpointMix, testSentences: 12 },
  /**
   * The class in one frame, what tells it apart in another: four frames once around the room, or six on half of the way
   * (they overlap). To test on alone: a room has one or two such sentences.
   */
  "split-distant": { ...split, name: "split-distant", seed: 5, frames: 4, shown: { frames: 1 } },
  "split-adjacent": {
    ...split,
    name: "split-adjacent",
    seed: 6,
    testRooms: 6500,
    frames: 6,
    walk: 0.5,
    shown: { frames: 1, share: 0.02 },
  },
  /** Poor depth: it reaches φ, box membership and SG's target alike. */
  "holes-50": { name: "holes-50", holeShare: 0.5 },
  "holes-50-test": { ...test, name: "holes-50-test", holeShare: 0.5 },
  "holes-90": { name: "holes-90", holeShare: 0.9 },
  "holes-90-test": { ...test, name: "holes-90-test", holeShare: 0.9 },
  /** Poor poses: 10 cm and 3° off on each axis. */
  "poses-off": { name: "poses-off", poseShift: 0.1, poseTurn: 3 },
  "poses-off-test": { ...test, name: "poses-off-test", poseShift: 0.1, poseTurn: 3 },
  /** Twice as many frames, so that 16 and 24 can be seen. */
  "frames-24": { name: "frames-24", frames: 24 },
  "frames-24-test": { ...test, name: "frames-24-test", frames: 24 },
  /** Descriptions of several clauses, as long and varied as ScanRefer's: pronouns, two anchors, negation. */
  natural: { name: "natural", natural: true },
  "natural-test": { ...test, name: "natural-test", natural: true, testSentences: 12 },
  /** For transfer, never trained on: smaller and emptier rooms, a phone's narrow view, poor depth and poses. */
  "arkit-like": {
    ...test,
    name: "arkit-like",
    seed: 2,
    side: [3.4, 4.4],
    objects: [9, 12],
    fieldOfView: 55,
    depthNoise: 0.02,
    holeShare: 0.15,
    poseShift: 0.03,
    poseTurn: 1,
    colourNoise: 8,
  },
  /** Larger and fuller rooms, low furniture, a wide view, few frames. */
  "multiscan-like": {
    ...test,
    name: "multiscan-like",
    seed: 3,
    side: [5.2, 6.6],
    height: [2.8, 3.6],
    objects: [14, 18],
    furnitureHeight: [0.35, 0.8],
    fieldOfView: 80,
    depthNoise: 0.01,
    colourNoise: 6,
  },
  /** As large as a street: the same pictures at six times the size, so that φ, which ends at 15 m, is left behind. */
  street: { ...test, name: "street", seed: 4, scale: 6 },
  /** The test rooms with other proposals. */
  "noise-10": { ...test, name: "noise-10", detector: { ...trueBoxes, edge: 0.1 } },
  "noise-20": { ...test, name: "noise-20", detector: { ...trueBoxes, edge: 0.2 } },
  "noise-40": { ...test, name: "noise-40", detector: { ...trueBoxes, edge: 0.4 } },
  misses: { ...test, name: "misses", detector: { ...trueBoxes, miss: 0.33 } },
  duplicates: { ...test, name: "duplicates", detector: { ...trueBoxes, duplicate: 1 } },
  /** Planted errors of annotation: what a perfect model scores where a tenth of the labels are wrong. */
  "mislabelled-test": { ...test, name: "mislabelled-test", wrongLabels: 0.1 },
  /** Pictures that a reconstruction decoder is pretrained on behind an encoder of its own: rooms of no other set. */
  pretraining: {
    name: "pretraining",
    seed: 7,
    trainRooms: 500,
    testRooms: 40,
    trainSentences: 1,
    testSentences: 1,
    layouts: 1,
  },
  /** A handful of rooms for tests. */
  tiny: { name: "tiny", trainRooms: 6, testRooms: 3, trainSentences: 16, testSentences: 12, lostPoseEvery: 3 },
} as const satisfies Record<string, z.input<typeof RoomsConfig>>;

/** What identifies a config and the maker's version on disk. */
export function configHash(config: RoomsConfig): string {
  return createHash("sha256")
    .update(JSON.stringify([roomsVersion, config]))
    .digest("hex")
    .slice(0, 16);
}

export interface RoomPlan {
  /** ScanNet-like id, such as "scene0007_00". */
  readonly id: string;
  readonly split: "train" | "val";
}

/** Every room of a config; training rooms first. */
export function planRooms(config: RoomsConfig): RoomPlan[] {
  return Array.from({ length: config.trainRooms + config.testRooms }, (_, i) => ({
    id: `scene${String(i).padStart(4, "0")}_00`,
    split: i < config.trainRooms ? "train" : "val",
  }));
}
