/** A referring sentence's target, as ScanRefer's annotation file has it. */
export interface AnnotatedTarget {
  readonly sceneId: string;
  readonly objectId: string;
  /** With spaces or underscores. */
  readonly objectName: string;
}

/** Class number of an object name; names outside the table fall into the catch-all class. */
export type ClassOf = (name: string) => number;

const spaced = (name: string): string => name.replaceAll("_", " ");

/** ScanRefer's 18 classes: raw name → 0..16, everything else 17 ("others"). */
export function scanReferClasses(table: Readonly<Record<string, number>>): ClassOf {
  return (name) => table[spaced(name)] ?? 17;
}

/** NYU40 as Video-3D-LLM and S2-MLLM use it: ids outside `valid`, and unknown names, become 39. */
export function nyu40Classes(table: Readonly<Record<string, number>>, valid: readonly number[]): ClassOf {
  const known = new Set(valid);
  return (name) => {
    const id = table[spaced(name)];
    return id !== undefined && known.has(id) ? id : 39;
  };
}

/**
 * Whether each sentence is "multiple": more than one of the objects that the file refers to in its scene has the
 * target's class. Objects that no sentence names do not count, so it depends on the split file.
 */
export function multipleTargets(targets: readonly AnnotatedTarget[], classOf: ClassOf): boolean[] {
  const objects = new Map<string, Set<string>>();
  const keyOf = (t: AnnotatedTarget): string => `${t.sceneId}|${classOf(t.objectName)}`;
  for (const target of targets) {
    const key = keyOf(target);
    if (!objects.has(key)) objects.set(key, new Set());
    objects.get(key)!.add(target.objectId);
  }
  return targets.map((target) => objects.get(keyOf(target))!.size > 1);
}

/** ReferIt3D's "easy": at most two objects of the target's class, the target included. */
export function isEasy(sameClass: number): boolean {
  return sameClass <= 2;
}

const viewWords = new Set([
  "front",
  "behind",
  "back",
  "right",
  "left",
  "facing",
  "leftmost",
  "rightmost",
  "looking",
  "across",
]);

/** Whether any token is one of ReferIt3D's ten view words, letter for letter. */
export function isViewDependent(tokens: readonly string[]): boolean {
  return tokens.some((token) => viewWords.has(token));
}
