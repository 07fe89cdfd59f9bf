import type { ProposalSource } from "../dataloader/prepared-scenes";
import type { Answer } from "./predict";
import type { Session } from "./session";
import { isEasy, isViewDependent, multipleTargets } from "./splits";

/**
 * Answers as the authors' evaluators read them, one JSON line a sentence: `sample_id`, `pred_response` and
 * `gt_response` (boxes as centre and full size, metres), `question_type` (ScanRefer: "unique" or "multiple";
 * ReferIt3D: "easy" or "hard") and, of ReferIt3D, `view_dep`. What follows they ignore: set, scene, sentence, class,
 * index of the chosen proposal and the score of each, in the order in which the scene offers them.
 */
export function exportLines(answers: readonly Answer[], session: Session, source: ProposalSource): string {
  const scenes = new Map(session.cache.scenes("val").map((scene) => [scene.id, scene]));
  // which class a scene has several of is a matter of ScanRefer's file alone
  const scanRefer = answers.filter(({ query }) => query.dataset === "scanrefer");
  const several = multipleTargets(
    scanRefer.map(({ query: { sceneId, targetId, category } }) => ({
      sceneId,
      objectId: String(targetId),
      objectName: category,
    })),
    session.classOf,
  );
  const multiple = new Set(scanRefer.filter((_, i) => several[i]));
  return answers
    .map((answer) => {
      const { query, chosen, scores } = answer;
      const scene = scenes.get(query.sceneId)!;
      const boxes = scene.boxes(source);
      const type =
        query.dataset === "scanrefer"
          ? { question_type: multiple.has(answer) ? "multiple" : "unique" }
          : { question_type: isEasy(query.sameClass) ? "easy" : "hard", view_dep: isViewDependent(query.tokens) };
      const line = {
        sample_id: query.id,
        pred_response: boxes[chosen],
        gt_response: scene.entry.objects[query.targetId]!.box,
        ...type,
        dataset: query.dataset,
        scene_id: query.sceneId,
        description: query.description,
        object_name: query.category,
        pred_index: chosen,
        scores: scores.slice(0, boxes.length).map((score) => Number(score.toPrecision(6))),
      };
      return `${JSON.stringify(line)}\n`;
    })
    .join("");
}
