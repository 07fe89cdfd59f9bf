import { z } from "zod";
import { UserError } from "../core/errors";
import { parsed, parseJson } from "./json-file";
import { type Clause, checkSceneId, clauseKinds, type Query, relationKinds } from "./scene";
import { wholeNumber, wordsOf } from "./words";

/** A clause as S2-Rooms' files have it. */
export const ClauseForm: z.ZodType<Clause> = z.strictObject({
  kind: z.enum(clauseKinds),
  anchors: z.array(z.int().min(0)),
  negated: z.boolean().optional(),
});

const Entry = z.looseObject({
  scene_id: z.string(),
  object_id: z.union([z.string(), z.number()]),
  object_name: z.string(),
  ann_id: z.union([z.string(), z.number()]),
  description: z.string(),
  token: z.array(z.string()).optional(),
  /** Only S2-Rooms says this much. */
  s2_rooms: z
    .looseObject({
      kind: z.enum(relationKinds),
      anchor_ids: z.array(z.int()),
      anchors_types: z.array(z.string()),
      truth: z.int().optional(),
      clauses: z.array(ClauseForm).optional(),
    })
    .optional(),
});
type Entry = z.infer<typeof Entry>;
const Entries = z.array(z.unknown());

const isText = (v: unknown): v is string => typeof v === "string";
const isId = (v: unknown): boolean => typeof v === "string" || (typeof v === "number" && Number.isFinite(v));
const isTexts = (v: unknown): boolean => Array.isArray(v) && v.every(isText);
const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);

function isRoomsField(v: unknown): boolean {
  return (
    isObject(v) &&
    (relationKinds as readonly unknown[]).includes(v.kind) &&
    Array.isArray(v.anchor_ids) &&
    v.anchor_ids.every(Number.isSafeInteger) &&
    isTexts(v.anchors_types) &&
    (v.truth === undefined || Number.isSafeInteger(v.truth)) &&
    (v.clauses === undefined || z.array(ClauseForm).safeParse(v.clauses).success)
  );
}

/** The same as `Entry`, without its cost: seventy thousand entries are read at every start. */
function isEntry(v: unknown): v is Entry {
  return (
    isObject(v) &&
    isText(v.scene_id) &&
    isId(v.object_id) &&
    isText(v.object_name) &&
    isId(v.ann_id) &&
    isText(v.description) &&
    (v.token === undefined || isTexts(v.token)) &&
    (v.s2_rooms === undefined || isRoomsField(v.s2_rooms))
  );
}

/** @throws UserError saying what `Entry` does not accept */
function checkEntry(value: unknown, where: string): Entry {
  return isEntry(value) ? value : parsed(value, Entry, where, "download the file again");
}

/**
 * Queries of a ScanRefer file.
 *
 * @param scenes only these scenes; all when absent
 * @throws UserError naming the entry that is not as expected
 */
export function readScanRefer(file: string, scenes?: ReadonlySet<string>): Query[] {
  const todo = 'download them again or run "data make"';
  const entries = parseJson(file, Entries, "ScanRefer's annotations, a list", todo).map((value, i) => {
    const entry = checkEntry(value, `${file}: annotation ${i}`);
    checkSceneId(entry.scene_id, `${file}: annotation ${i}`);
    const target = wholeNumber(entry.object_id);
    if (target === undefined)
      throw new UserError(
        `${file}: annotation ${i} (${entry.scene_id}): object_id must be a whole number, got "${entry.object_id}"`,
      );
    if (entry.description.trim() === "")
      throw new UserError(
        `${file}: annotation ${i} (${entry.scene_id}, object ${target}) has an empty description; remove it`,
      );
    return { entry, target, category: entry.object_name.replaceAll("_", " ") };
  });
  // the referred objects of one class in one scene: the file knows no others
  const referred = new Map<string, Set<number>>();
  for (const { entry, category, target } of entries) {
    const key = `${entry.scene_id}|${category}`;
    const targets = referred.get(key);
    if (targets === undefined) referred.set(key, new Set([target]));
    else targets.add(target);
  }
  return entries
    .filter(({ entry }) => scenes === undefined || scenes.has(entry.scene_id))
    .map(
      ({ entry: e, category, target }): Query => ({
        id: `${e.scene_id}|${target}|${e.ann_id}`,
        dataset: "scanrefer",
        sceneId: e.scene_id,
        targetId: target,
        category,
        description: e.description,
        tokens: e.token?.map((t) => t.toLowerCase()) ?? wordsOf(e.description),
        relation: e.s2_rooms?.kind,
        anchorIds: e.s2_rooms?.anchor_ids ?? [],
        anchorWords: e.s2_rooms?.anchors_types ?? [],
        ...(e.s2_rooms?.truth === undefined ? {} : { truth: e.s2_rooms.truth }),
        ...(e.s2_rooms?.clauses === undefined ? {} : { clauses: e.s2_rooms.clauses }),
        sameClass: referred.get(`${e.scene_id}|${category}`)!.size,
      }),
    );
}
