import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { silent } from "../../lib/core/progress";
import { openSession, type Session } from "../../lib/eval/session";
import { objects, dataFolder, writeScan } from "../setup/formats/scan";

// numbers that no other test uses: prepared scenes are shared between equal data
const [train, val] = ["scene9701_00", "scene9702_00"];
let data: ReturnType<typeof dataFolder>;
let session: Session;
beforeAll(async () => {
  data = dataFolder();
  await writeScan(data.folder, { id: train, layout: "sens", frames: 9, lost: [4] });
  await writeScan(data.folder, { id: val, layout: "posed images", frames: 9 });
  data.file("scannetv2_train.txt", `${train}\n`);
  data.file("scannetv2_val.txt", `${val}\n`);
  const say = (scene_id: string, object: number): Record<string, unknown> => ({ scene_id, object_id: String(object), object_name: objects[object]!.label.replaceAll(" ", "_"), ann_id: "0", description: "the one near the door" });
  data.file("ScanRefer_filtered_train.json", [say(train, 0), say(train, 2)]);
  data.file("ScanRefer_filtered_val.json", [say(val, 1)]);
  session = await openSession(resolveConfig({ preset: "nano", set: [`data.folder=${data.folder}`, "data.frames=4", "data.pool=4"] }), silent);
}, 300_000);
afterAll(() => {
  session.cache.close();
  rmSync(session.cache.folder, { recursive: true, force: true });
  data.remove();
});

test("scans are prepared like S2-Rooms, named by one config value", () => {
  expect(session.synthetic).toBe(false);
  const [group] = session.sentences("train");
  expect(group!.queries.map((q) => [q.sceneId, q.targetId, q.category])).toEqual([[train, 0, "office chair"], [train, 2, "office chair"]]);
  expect(group!.scene.boxes("gt")).toEqual(objects.map((o) => o.box));
  // of frames 0 to 8 without 4, evenly: positions 0, 2, 4, 7
  expect(group!.scene.entry).toMatchObject({ frames: ["0", "2", "5", "8"], skippedFrames: 1 });
  expect(session.cache.scenes("val")[0]!.entry.frames).toEqual(["00000", "00020", "00050", "00080"]);
  expect(session.sentences("val")[0]!.queries[0]!.sameClass).toBe(1);
  expect(session.sources).toContain("gt");
  expect(group!.scene.patchKnown(0).every((known) => known === 1)).toBe(true);
});
