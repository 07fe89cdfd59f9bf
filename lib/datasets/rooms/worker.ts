import type { RoomPlan, RoomsConfig } from "./config";
import { writeRoom } from "./scan";

export interface Job {
  readonly folder: string;
  readonly config: RoomsConfig;
  readonly rooms: readonly RoomPlan[];
}

/** Sent to the parent after each room, or once when a room failed. */
export type Report = { readonly done: string } | { readonly failed: string };

/** A child process: receives one job, writes its rooms one after the other, ends when the channel closes. */
process.on("disconnect", () => process.exit());
process.once("message", (job: Job) => {
  void (async () => {
    const send = (report: Report): Promise<void> => new Promise((resolve) => process.send!(report, () => resolve()));
    try {
      for (const plan of job.rooms) {
        await writeRoom(job.folder, job.config, plan);
        await send({ done: plan.id });
      }
    } catch (error) {
      await send({ failed: (error as Error).message });
    }
    process.disconnect();
  })();
});
