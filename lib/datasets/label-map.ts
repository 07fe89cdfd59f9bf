import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors";
import { readText } from "./json-file";

/** ScanNet's names of its object classes in other vocabularies: scannetv2-labels.combined.tsv. */
export interface LabelMap {
  /** NYU40 number of a raw category, such as "office chair" → 5. */
  readonly nyu40Id: ReadonlyMap<string, number>;
  /** NYU40 name of a raw category. */
  readonly nyu40Class: ReadonlyMap<string, string>;
  /** Category of a raw category, which is coarser: "office chair" → "chair". */
  readonly category: ReadonlyMap<string, string>;
  /** Category of a row's id, as Mask3D's class numbers mean it. */
  readonly categoryOfId: ReadonlyMap<number, string>;
}

export const labelMapFile = (folder: string): string => join(folder, "scannetv2-labels.combined.tsv");

/** @throws UserError when the file is missing, lacks a column, or has a row without a NYU40 number */
export function readLabelMap(file: string): LabelMap {
  const todo = "take it from ScanNet's release";
  const lines = readText(file, "ScanNet's label map", todo)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
  const header = (lines[0] ?? "").split("\t");
  const [id, raw, category, nyuId, nyuClass] = ["id", "raw_category", "category", "nyu40id", "nyu40class"].map(
    (name) => {
      const at = header.indexOf(name);
      if (at < 0)
        throw new UserError(
          `${file}: has no column ${name}; its first line is "${(lines[0] ?? "").slice(0, 80)}"; ${todo}`,
        );
      return at;
    },
  ) as [number, number, number, number, number];
  const out = {
    nyu40Id: new Map<string, number>(),
    nyu40Class: new Map<string, string>(),
    category: new Map<string, string>(),
    categoryOfId: new Map<number, string>(),
  };
  lines.slice(1).forEach((line, i) => {
    const cells = line.split("\t");
    const number = Number(cells[nyuId]);
    if (cells[raw] === undefined || cells[nyuId] === "" || !Number.isInteger(number))
      throw new UserError(
        `${file}: line ${i + 2}: nyu40id must be a whole number, got "${cells[nyuId] ?? ""}"; ${todo}`,
      );
    out.nyu40Id.set(cells[raw], number);
    out.nyu40Class.set(cells[raw], cells[nyuClass] ?? "");
    out.category.set(cells[raw], cells[category] ?? "");
    out.categoryOfId.set(Number(cells[id]), cells[category] ?? "");
  });
  return out;
}

/** The label map of a data folder, or undefined when it has none. @throws UserError as `readLabelMap` */
export function findLabelMap(folder: string): LabelMap | undefined {
  return existsSync(labelMapFile(folder)) ? readLabelMap(labelMapFile(folder)) : undefined;
}

/** ScanRefer's classes in its order; whatever is none of them counts as "others". */
const scanReferClasses = [
  "cabinet",
  "bed",
  "chair",
  "sofa",
  "table",
  "door",
  "window",
  "bookshelf",
  "picture",
  "counter",
  "desk",
  "curtain",
  "refrigerator",
  "shower curtain",
  "toilet",
  "sink",
  "bathtub",
  "others",
];

/** Raw category → 0 to 17, as ScanRefer decides "unique" and "multiple" with. */
export function scanReferTable(map: LabelMap): Record<string, number> {
  const others = scanReferClasses.length - 1;
  return Object.fromEntries(
    [...map.nyu40Class].map(([raw, name]) => {
      const at = scanReferClasses.indexOf(name);
      return [raw, at < 0 ? others : at];
    }),
  );
}
