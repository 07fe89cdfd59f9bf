import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import type { Box } from "../geometry/box";
import { keptFile, parseJson } from "./json-file";

const Length = z.number().min(0);
/** Centre and full size, metres. */
export const BoxForm = z.tuple([z.number(), z.number(), z.number(), Length, Length, Length]);

/** @returns centre and full size, metres @throws UserError for anything but six finite numbers with no negative size */
export function checkBox(value: unknown, where: string): Box {
  const box = BoxForm.safeParse(value);
  if (box.success) return box.data;
  throw new UserError(
    `${where} must be 6 finite numbers, centre and size, got ${JSON.stringify(value)?.slice(0, 120)}; write the ` +
      "file again",
  );
}

const BoxLists = z.record(z.string(), z.array(z.unknown()));

function readBoxes(file: string): Map<string, readonly unknown[]> {
  const form = 'boxes by scene, {"scannet/scene0011_00": [[cx, cy, cz, dx, dy, dz], …], …}';
  const lists = parseJson(file, BoxLists, form, "write the file again, with every number finite");
  return new Map(Object.entries(lists).map(([key, list]) => [key.split("/").at(-1)!, list]));
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
