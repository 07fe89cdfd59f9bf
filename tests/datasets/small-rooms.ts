import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RoomsConfig } from "../../lib/datasets/rooms/config";
import { makeRooms } from "../../lib/datasets/rooms/make";

/** The smallest data set: one training room, one test room, few frames. */
export const smallConfig = RoomsConfig.parse({
  name: "small",
  trainRooms: 1,
  testRooms: 1,
  trainSentences: 12,
  testSentences: 12,
  frames: 3,
  image: 48,
  lostPoseEvery: 1,
  layouts: 4,
});

/** Makes the smallest data set in a temporary folder. */
export async function smallRooms(): Promise<{ folder: string; remove: () => void; copy: () => string }> {
  const top = mkdtempSync(join(tmpdir(), "s2-rooms-"));
  const folder = join(top, "data");
  await makeRooms(folder, smallConfig);
  let copies = 0;
  return {
    folder,
    remove: () => rmSync(top, { recursive: true }),
    copy: () => {
      const to = join(top, `copy-${copies++}`);
      cpSync(folder, to, { recursive: true });
      return to;
    },
  };
}
