import type { Query } from "./scene";

/** Of a viewpoint the order counts too: who stands where the other looks sees another left. */
const sameAnchors = (a: Query, b: Query): boolean =>
  a.anchorIds.length === b.anchorIds.length &&
  a.anchorIds.every((id, i) => (a.relation === "viewpoint" ? id === b.anchorIds[i] : b.anchorIds.includes(id)));

/**
 * Pairs of sentences about one scene, class and relation that name different anchors and have different answers.
 * Getting
 * both right needs the anchor: whoever ignores it gives one answer to both. A sentence is in one pair at most.
 *
 * @returns positions in `queries`, first the earlier one
 */
export function answerPairs(queries: readonly Query[]): [number, number][] {
  const groups = new Map<string, number[]>();
  queries.forEach((q, i) => {
    if (q.relation === undefined || q.anchorIds.length === 0) return;
    const key = `${q.sceneId}|${q.category}|${q.relation}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [i]);
    else group.push(i);
  });
  const out: [number, number][] = [];
  for (const group of groups.values()) {
    const free = [...group];
    while (free.length > 1) {
      const first = free.shift()!;
      const at = free.findIndex(
        (i) => queries[i]!.targetId !== queries[first]!.targetId && !sameAnchors(queries[i]!, queries[first]!),
      );
      if (at < 0) continue;
      out.push([first, free[at]!]);
      free.splice(at, 1);
    }
  }
  return out;
}
