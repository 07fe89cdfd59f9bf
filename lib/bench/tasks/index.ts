import type { Size, Task } from "../task";
import { qwen2Layer, siglipLayer } from "./layers";
import { nano } from "./nano";
import { transformer } from "./transformer";

/** What can be measured, in the order of the table. */
export const TASKS = {
  nano,
  transformer,
  "qwen2-layer": qwen2Layer,
  "siglip-layer": siglipLayer,
} as const satisfies Record<string, (size: Size) => Task>;
export type TaskName = keyof typeof TASKS;
export const TASK_NAMES = Object.keys(TASKS) as TaskName[];
