import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../core/errors";
import { relationKinds, type Query } from "./scene";

const Entry = z.looseObject({
  scene_id: z.string(),
  object_id: z.union([z.string(), z.number()]),
  object_name: z.string(),
  ann_id: z.union([z.string(), z.number()]),
  description: z.string(),
  token: z.array(z.string()).optional(),
  /** Only S2-Rooms says this much. */
  s2_rooms: z.looseObject({
    kind: z.enum(relationKinds),
    anchor_ids: z.array(z.int()),
    anchors_types: z.array(z.string()),
  }).optional(),
});

/**
 * Queries of a ScanRefer file.
 *
 * @param scenes only these scenes; all when absent
 * @throws UserError naming the entry that is not as expected
 */
export function readScanRefer(file: string, scenes?: ReadonlySet<string>): Query[] {
  if (!existsSync(file)) throw new UserError(`${file} is missing: expected ScanRefer's annotations; download them or run "data make"`);
  let list: unknown;
  try {
    list = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UserError(`${file}: not JSON (${(error as Error).message}); download it again`);
  }
  if (!Array.isArray(list)) throw new UserError(`${file}: expected a list of annotations, got ${typeof list}; download it again`);
  const entries = list.map((value: unknown, i) => {
    const parsed = Entry.safeParse(value);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      throw new UserError(`${file}: annotation ${i}: ${issue.path.join(".")}: ${issue.message}; download the file again`);
    }
    const entry = parsed.data;
    const target = Number(entry.object_id);
    if (!Number.isInteger(target) || target < 0) throw new UserError(`${file}: annotation ${i} (${entry.scene_id}): object_id must be a whole number, got "${entry.object_id}"`);
    if (entry.description.trim() === "") throw new UserError(`${file}: annotation ${i} (${entry.scene_id}, object ${target}) has an empty description; remove it`);
    return { ...entry, target, category: entry.object_name.replaceAll("_", " ") };
  });
  // as ScanRefer counts: the referred objects of one class in one scene
  const referred = new Map<string, Set<number>>();
  for (const e of entries) {
    const key = `${e.scene_id}|${e.category}`;
    referred.set(key, (referred.get(key) ?? new Set()).add(e.target));
  }
  return entries.filter((e) => scenes === undefined || scenes.has(e.scene_id)).map((e): Query => ({
    id: `${e.scene_id}|${e.target}|${e.ann_id}`,
    dataset: "scanrefer",
    sceneId: e.scene_id,
    targetId: e.target,
    category: e.category,
    description: e.description,
    tokens: (e.token ?? e.description.toLowerCase().split(/\s+/)).map((t) => t.toLowerCase()),
    relation: e.s2_rooms?.kind,
    anchorIds: e.s2_rooms?.anchor_ids ?? [],
    anchorWords: e.s2_rooms?.anchors_types ?? [],
    sameClass: referred.get(`${e.scene_id}|${e.category}`)!.size,
  }));
}
