import { z } from "zod";
import { UserError } from "../core/errors";
import { parsed, parseJson } from "./json-file";
import type { Query } from "./scene";
import { checkSceneId } from "./scene";
import { wholeNumber, wordsOf } from "./words";

const Sample = z.looseObject({
  video: z.string(),
  conversations: z.array(z.looseObject({ value: z.string() })).min(2),
  metadata: z.looseObject({
    dataset: z.enum(["scanrefer", "nr3d", "sr3d"]),
    object_id: z.union([z.string(), z.number()]),
    ann_id: z.union([z.string(), z.number()]).optional(),
  }),
});

const Samples = z.array(z.unknown());

/**
 * The description inside a user's turn: behind the image mark and the instruction's line, before Nr3D's closing
 * remark.
 */
function descriptionOf(turn: string): string {
  const lines = turn
    .replace(/^<image>\n?/, "")
    .split("\n")
    .slice(1);
  if (lines.at(-1)?.startsWith("There may be no corresponding object") === true) lines.pop();
  return lines.join("\n").trim();
}

/**
 * Queries of the authors' training json (paper.md 6.4). It keeps neither tokens nor stimulus ids: tokens are the
 * words of
 * the description, and the objects of the target's class are counted in the scan.
 *
 * @param labels class names of a scan's objects by object id
 * @param scenes only these scenes; all when absent
 * @throws UserError naming the sample that is not as expected
 */
export function readProcessed(
  file: string,
  labels: (sceneId: string) => readonly string[],
  scenes?: ReadonlySet<string>,
): Query[] {
  const again = "make the file again with the authors' preprocessing";
  return parseJson(file, Samples, "a list of the authors' processed samples", again).flatMap((value, i): Query[] => {
    const where = `${file}: sample ${i}`;
    const { video, conversations, metadata } = parsed(value, Sample, where, again);
    const sceneId = checkSceneId(video.replace(/^scannet\//, ""), where);
    if (scenes !== undefined && !scenes.has(sceneId)) return [];
    const targetId = wholeNumber(metadata.object_id);
    const names = labels(sceneId);
    const category = targetId === undefined ? undefined : names[targetId];
    if (targetId === undefined || category === undefined)
      throw new UserError(
        `${where}: object_id must be one of the objects 0 to ${names.length - 1} of ${sceneId}, got ` +
          `"${metadata.object_id}"; ${again}`,
      );
    const description = descriptionOf(conversations[0]!.value);
    if (description === "")
      throw new UserError(`${where}: its first turn has no description below the instruction; ${again}`);
    return [
      {
        id: `${sceneId}|${targetId}|${metadata.dataset}-${metadata.ann_id ?? i}`,
        dataset: metadata.dataset,
        sceneId,
        targetId,
        description,
        // Video-3D-LLM's answer is the bare <ground>, which names no class
        category:
          /^The (.+?) is located at <ground>/.exec(conversations[1]!.value)?.[1]?.replaceAll("_", " ") ?? category,
        tokens: wordsOf(description),
        anchorIds: [],
        anchorWords: [],
        sameClass: names.filter((name) => name === category).length,
      },
    ];
  });
}
