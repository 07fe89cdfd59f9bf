import { join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import type { Box } from "../geometry/box";
import { keptFile, readJson } from "./json-file";

/** @returns centre and full size, metres @throws UserError for anything but six finite numbers with no negative size */
export function checkBox(value: unknown, where: string): Box {
  const numbers = Array.isArray(value) ? (value as unknown[]) : [];
  if (
    numbers.length === 6 &&
    numbers.every((x) => typeof x === "number" && Number.isFinite(x)) &&
    numbers.slice(3).every((x) => (x as number) >= 0)
  ) {
    return numbers as unknown as Box;
  }
  throw new UserError(
    `${where} must be 6 finite numbers, centre and size, got ${JSON.stringify(value)?.slice(0, 120)}; write the ` +
      "file again",
  );
}

function readBoxes(file: string): Map<string, readonly unknown[]> {
  const value = readJson(file, "boxes by scene", "write the file again, with every number finite");
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UserError(
      `${file}: expected {"scannet/scene0011_00": [[cx, cy, cz, dx, dy, dz], …], …}; write the file again`,
    );
  return new Map(
    Object.entries(value).map(([key, list]) => {
      if (!Array.isArray(list)) throw new UserError(`${file}: ${key}: expected a list of boxes; write the file again`);
      return [key.split("/").at(-1)!, list as unknown[]];
    }),
  );
}

const kinds = { pred: /^scannet_\w+_pred_box\.json$/, gt: /^scannet_\w+_gt_box\.json$/ } as const;

/**
 * The released box files of a data folder: metadata/scannet_val_pred_box.json with detected boxes, …_gt_box.json with
 * those of all objects.
 */
export function boxFiles(folder: string, kind: keyof typeof kinds): string[] {
  const metadata = join(folder, "metadata");
  return namesIn(metadata)
    .filter((name) => kinds[kind].test(name))
    .sort()
    .map((name) => join(metadata, name));
}

/** The released box file that lists a scene, if any does. @throws UserError when a file is not of that form */
export function boxFileOf(folder: string, id: string, kind: keyof typeof kinds = "pred"): string | undefined {
  return boxFiles(folder, kind).find((file) => keptFile(file, readBoxes)?.has(id));
}

/** A scene's boxes in a released box file, axis-aligned world. @throws UserError naming the box that is none */
export function boxesOf(file: string, id: string): Box[] {
  return (keptFile(file, readBoxes)?.get(id) ?? []).map((box, i) => checkBox(box, `${file}: ${id}: box ${i}`));
}
