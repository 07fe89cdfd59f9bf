import { existsSync } from "node:fs";
import { UserError } from "../core/errors";
import { readCsv } from "../io/csv";
import { readText } from "./json-file";
import type { Query, RelationKind } from "./scene";
import { wholeNumber } from "./words";

/** What ReferIt3D's stimulus_id says: "scene0525_00-plant-3-10-9-12". */
export interface Stimulus {
  readonly sceneId: string;
  /** With spaces. */
  readonly label: string;
  /** Objects of the class, target included. */
  readonly count: number;
  readonly targetId: number;
  readonly distractorIds: readonly number[];
}

/** @throws UserError when the text is not a stimulus id, or its count and its distractors disagree */
export function decodeStimulus(text: string, origin: string): Stimulus {
  const match = /^(scene\d{4}_\d{2})-(.+?)-(\d+)-(\d+)((?:-\d+)*)$/.exec(text);
  if (match === null)
    throw new UserError(
      `${origin}: stimulus_id must look like scene0525_00-plant-3-10-9-12, got "${text}"; download the file again`,
    );
  const distractorIds = match[5]!.split("-").slice(1).map(Number);
  const count = Number(match[3]);
  if (distractorIds.length !== count - 1) {
    throw new UserError(
      `${origin}: stimulus_id "${text}" counts ${count} objects, so expected ${count - 1} distractors, got ` +
        `${distractorIds.length}; download the file again`,
    );
  }
  return {
    sceneId: match[1]!,
    label: match[2]!.replaceAll("_", " "),
    count,
    targetId: Number(match[4]),
    distractorIds,
  };
}

/** A Python list literal of words or numbers, such as "['the', 'bed']". */
export function pythonList(text: string): string[] {
  return [...text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s,[\]]+)/g)].map((m) =>
    (m[1] ?? m[2] ?? m[3]!).replace(/\\(.)/g, "$1"),
  );
}

const relations: Record<string, RelationKind> = {
  closest: "closest",
  farthest: "farthest",
  between: "between",
  support: "support",
  vertical: "vertical",
  allocentric: "allocentric",
};

/** Sr3D's reference types in this project's kinds: horizontal ones by their own name, the others by their family. */
function relationOf(row: Record<string, string>): RelationKind | undefined {
  return relations[row.reference_type ?? ""] ?? relations[row.coarse_reference_type ?? ""];
}

/** ReferIt3D's own filters; the released S2-MLLM applies none. */
export interface ReferFilters {
  /** Only sentences that name the target's class (its default). */
  readonly mentionsTargetClass?: boolean;
  /** Only sentences of at most this many tokens (its default is 24). */
  readonly maxTokens?: number;
}

function truth(row: Record<string, string>, column: string, origin: string): boolean {
  const value = row[column];
  if (value === "True" || value === "False") return value === "True";
  throw new UserError(
    `${origin}: ${column} must be True or False for its filter, got "${value ?? ""}"; download the file again`,
  );
}

/**
 * Queries of an Nr3D or Sr3D csv.
 *
 * @param scenes only these scenes; all when absent
 * @throws UserError naming the row that is not as expected
 */
export function readReferIt3D(
  file: string,
  dataset: "nr3d" | "sr3d",
  scenes?: ReadonlySet<string>,
  filters: ReferFilters = {},
): Query[] {
  if (!existsSync(file))
    throw new UserError(
      `${file} is missing: expected ${dataset === "nr3d" ? "Nr3D" : "Sr3D"}'s csv; download it or run "data make"`,
    );
  const rows = readCsv(readText(file, "its sentences", "download it again"), file, [
    "stimulus_id",
    "scan_id",
    "instance_type",
    "target_id",
    "utterance",
    "tokens",
  ]);
  return rows.flatMap((row, i): Query[] => {
    const sceneId = row.scan_id!;
    if (scenes !== undefined && !scenes.has(sceneId)) return [];
    const origin = `${file}: row ${i + 2}`;
    if (filters.mentionsTargetClass === true && !truth(row, "mentions_target_class", origin)) return [];
    const tokens = pythonList(row.tokens!).map((t) => t.toLowerCase());
    if (filters.maxTokens !== undefined && tokens.length > filters.maxTokens) return [];
    const stimulus = decodeStimulus(row.stimulus_id!, origin);
    const targetId = wholeNumber(row.target_id!);
    if (stimulus.sceneId !== sceneId || stimulus.targetId !== targetId || targetId === undefined) {
      throw new UserError(
        `${origin}: scan_id ${sceneId} and target_id ${row.target_id} do not agree with stimulus_id ` +
          `"${row.stimulus_id}"; download the file again`,
      );
    }
    const description = row.utterance!;
    if (description.trim() === "")
      throw new UserError(`${origin} (${sceneId}, object ${targetId}) has an empty utterance; remove it`);
    return [
      {
        id: `${sceneId}|${targetId}|${dataset}-${i}`,
        dataset,
        sceneId,
        targetId,
        category: row.instance_type!.replaceAll("_", " "),
        description,
        tokens,
        relation: relationOf(row),
        anchorIds: pythonList(row.anchor_ids ?? "").map(Number),
        anchorWords: pythonList(row.anchors_types ?? ""),
        sameClass: stimulus.count,
      },
    ];
  });
}
