import { serveParent } from "../../core/child";
import type { RoomPlan, RoomsConfig } from "./config";
import { writeRoom } from "./scan";

export interface Job {
  readonly folder: string;
  readonly config: RoomsConfig;
  readonly rooms: readonly RoomPlan[];
}

// a child process: receives one job and writes its rooms one after the other, reporting the id of each
serveParent<Job, string, void>(async ({ folder, config, rooms }, report, stop) => {
  for (const plan of rooms) {
    if (stop.aborted) return;
    await writeRoom(folder, config, plan);
    report(plan.id);
  }
});
