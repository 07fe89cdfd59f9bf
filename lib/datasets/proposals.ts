import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import type { Proposal } from "./scene";

const File = z.strictObject({
  scene: z.string(),
  proposals: z.array(z.strictObject({
    /** Centre and full size in the axis-aligned world, metres. */
    box: z.array(z.number().nullable()),
    label: z.string().optional(),
    score: z.number().optional(),
  })),
});

/**
 * Proposals of a scene: proposals/<scene>.json in a data folder.
 *
 * @throws UserError when the file is missing, belongs to another scene, or holds a box that is none
 */
export function readProposals(folder: string, sceneId: string): Proposal[] {
  const file = join(folder, "proposals", `${sceneId}.json`);
  if (!existsSync(file)) throw new UserError(`${file} is missing: expected the detector's boxes of ${sceneId}; run the detector on it or use ground-truth proposals`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UserError(`${file}: not JSON (${(error as Error).message}); write the proposals again`);
  }
  const parsed = File.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new UserError(`${file}: ${issue.path.join(".")}: ${issue.message}; expected {"scene", "proposals": [{"box": [cx, cy, cz, dx, dy, dz], "label"?, "score"?}]}`);
  }
  if (parsed.data.scene !== sceneId) throw new UserError(`${file}: holds proposals of scene "${parsed.data.scene}", expected "${sceneId}"; the file is misnamed or misplaced`);
  return parsed.data.proposals.map(({ box, label, score }, i): Proposal => {
    if (box.length !== 6 || !box.every((x) => x !== null && Number.isFinite(x)) || box.slice(3).some((x) => x! <= 0)) {
      throw new UserError(`${file}: proposal ${i} must have 6 finite numbers, centre and positive size, got [${box.join(", ")}]; write the proposals again`);
    }
    return { box: box as unknown as Proposal["box"], label, score };
  });
}
