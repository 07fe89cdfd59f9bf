import type { ClassName } from "./shapes";

export interface RoomClass {
  /**
   * anchor: furniture that sentences name as a landmark; target: comes in several of one colour; small: stands on
   * furniture.
   */
  readonly role: "anchor" | "target" | "small";
  readonly plural: string;
  /** Width and depth before the quarter turn, metres. */
  readonly width: readonly [number, number];
  readonly depth: readonly [number, number];
  /** Its top is flat and free: small objects may stand there. */
  readonly flatTop?: boolean;
  /** NYU40 number of the class in ScanNet's label map; 39 and 40 are "other furniture" and "other prop". */
  readonly nyu40: number;
}

export const classes: Record<ClassName, RoomClass> = {
  table: { role: "anchor", plural: "tables", width: [0.9, 1.4], depth: [0.7, 1], flatTop: true, nyu40: 7 },
  desk: { role: "anchor", plural: "desks", width: [0.9, 1.3], depth: [0.55, 0.75], flatTop: true, nyu40: 14 },
  bed: { role: "anchor", plural: "beds", width: [1, 1.4], depth: [1.6, 1.9], nyu40: 4 },
  sofa: { role: "anchor", plural: "sofas", width: [1.3, 1.8], depth: [0.7, 0.9], nyu40: 6 },
  cabinet: { role: "anchor", plural: "cabinets", width: [0.7, 1.1], depth: [0.45, 0.6], flatTop: true, nyu40: 3 },
  bookshelf: { role: "anchor", plural: "bookshelves", width: [0.8, 1.2], depth: [0.35, 0.5], flatTop: true, nyu40: 10 },
  dresser: { role: "anchor", plural: "dressers", width: [0.8, 1.1], depth: [0.45, 0.55], flatTop: true, nyu40: 17 },
  refrigerator: {
    role: "anchor",
    plural: "refrigerators",
    width: [0.6, 0.75],
    depth: [0.6, 0.75],
    flatTop: true,
    nyu40: 24,
  },
  chair: { role: "target", plural: "chairs", width: [0.48, 0.62], depth: [0.48, 0.62], nyu40: 5 },
  stool: { role: "target", plural: "stools", width: [0.42, 0.55], depth: [0.42, 0.55], nyu40: 40 },
  lamp: { role: "target", plural: "lamps", width: [0.42, 0.55], depth: [0.42, 0.55], nyu40: 35 },
  plant: { role: "target", plural: "plants", width: [0.45, 0.62], depth: [0.45, 0.62], nyu40: 40 },
  box: { role: "target", plural: "boxes", width: [0.45, 0.62], depth: [0.45, 0.62], nyu40: 29 },
  "trash can": { role: "target", plural: "trash cans", width: [0.42, 0.55], depth: [0.42, 0.55], nyu40: 39 },
  monitor: { role: "small", plural: "monitors", width: [0.5, 0.6], depth: [0.25, 0.33], nyu40: 40 },
  vase: { role: "small", plural: "vases", width: [0.32, 0.4], depth: [0.32, 0.4], nyu40: 40 },
  bag: { role: "small", plural: "bags", width: [0.4, 0.5], depth: [0.28, 0.33], nyu40: 37 },
};
export const classNames = Object.keys(classes) as ClassName[];
export const classesOf = (role: RoomClass["role"]): ClassName[] =>
  classNames.filter((name) => classes[name].role === role);

/** Colours of objects, 0..255. */
export const colours = {
  red: [205, 35, 40],
  orange: [240, 135, 25],
  yellow: [238, 222, 60],
  green: [45, 155, 60],
  blue: [45, 90, 215],
  purple: [145, 55, 175],
  white: [240, 240, 238],
  black: [38, 38, 42],
} as const satisfies Record<string, readonly [number, number, number]>;
export type ColourName = keyof typeof colours;
export const colourNames = Object.keys(colours) as ColourName[];
