import { tf } from "../engine/tf";
import type { ModelInputs } from "../model/inputs";
import type { SharedPrompt } from "../model/prompt";

/** Every tensor of the given groups under one name each, as a repeated step takes them; what is no tensor is left out. */
export function stepInputs(groups: Readonly<Record<string, object>>): tf.NamedTensorMap {
  return Object.fromEntries(
    Object.entries(groups).flatMap(([group, members]) =>
      Object.entries(members).flatMap(([name, t]) =>
        t instanceof tf.Tensor ? [[`${group}.${name}`, t] as const] : [],
      ),
    ),
  );
}

/** One group of `stepInputs` back. */
export function inputGroup(tensors: tf.NamedTensorMap, group: string): tf.NamedTensorMap {
  return Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(`${group}.`))
      .map(([name, t]) => [name.slice(group.length + 1), t]),
  );
}

/** The group "inputs" as the model takes it. */
export function modelInputs(
  tensors: tf.NamedTensorMap,
  { before, after }: Pick<SharedPrompt, "before" | "after">,
): ModelInputs {
  return { before, after, ...inputGroup(tensors, "inputs") } as unknown as ModelInputs;
}
