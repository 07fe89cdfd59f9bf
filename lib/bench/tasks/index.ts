import type { Size, Task } from "../task";
import { qwen2Layer, siglipLayer } from "./layers";
import { nano } from "./nano";
import { slice7b } from "./slice";
import { transformer } from "./transformer";

/** What can be measured, in the order of the table. */
export const TASKS = {
  nano,
  transformer,
  "qwen2-layer": qwen2Layer,
  "siglip-layer": siglipLayer,
  "slice-7b": slice7b,
} as const satisfies Record<string, (size: Size) => Task>;
export type TaskName = keyof typeof TASKS;
export const TASK_NAMES = Object.keys(TASKS) as TaskName[];

/** What is measured unless tasks are named; slice-7b is for a GPU. */
export const USUAL_TASKS = TASK_NAMES.filter((name) => name !== "slice-7b");
