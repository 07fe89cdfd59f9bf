import type { Size, Task } from "../task";
import { nano } from "./nano";
import { transformer } from "./transformer";

/** What can be measured, in the order of the table. */
export const TASKS = { nano, transformer } as const satisfies Record<string, (size: Size) => Task>;
export type TaskName = keyof typeof TASKS;
export const TASK_NAMES = Object.keys(TASKS) as TaskName[];
