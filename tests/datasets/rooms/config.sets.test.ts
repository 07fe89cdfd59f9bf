import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkData } from "../../../lib/datasets/rooms/check";
import { planRooms, RoomsConfig, roomSets } from "../../../lib/datasets/rooms/config";
import { makeRooms } from "../../../lib/datasets/rooms/make";
import { makeRoom, type RoomFiles } from "../../../lib/datasets/rooms/scan";
import { readScanRefer } from "../../../lib/datasets/scanrefer";
import { decodePng16 } from "../../../lib/io/png16";

type SetName = keyof typeof roomSets;

/** A set with its own difficulty, but few and small rooms. */
const small = (name: SetName, change: Partial<RoomsConfig> = {}): RoomsConfig =>
  RoomsConfig.parse({ ...roomSets[name], trainRooms: 0, testRooms: 4, image: 64, layouts: 4, ...change });

let top: string;
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "s2-sets-"));
});
afterAll(() => rmSync(top, { recursive: true }));

const roomsOf = (config: RoomsConfig): Promise<RoomFiles[]> =>
  Promise.all(planRooms(config).map((plan) => makeRoom(config, plan)));

test("every set's test rooms are of another seed, 500 rooms with 2,000 sentences or more", () => {
  for (const [name, set] of Object.entries(roomSets)) {
    const { seed, trainRooms, testRooms, testSentences } = RoomsConfig.parse(set);
    if (!name.endsWith("-test")) continue;
    expect([seed > 0, trainRooms, testRooms], name).toEqual([true, 0, 500]);
    expect(testRooms * testSentences, name).toBeGreaterThanOrEqual(2000);
  }
});

describe("viewpoint", () => {
  test("the answer is the only one of its class on that side of who stands there", async () => {
    const config = small("viewpoint-test");
    const folder = join(top, "viewpoint");
    await makeRooms(folder, config);
    expect((await checkData(folder, 64)).problems).toEqual([]);
    const rooms = new Map((await roomsOf(config)).map(({ record }) => [record.id, record.objects]));
    const all = readScanRefer(join(folder, "ScanRefer_filtered_val.json"));
    const queries = all.filter(({ relation }) => relation === "viewpoint");
    expect(queries.length / all.length).toBeGreaterThanOrEqual(0.15);
    const sides = new Set<string>();
    for (const { sceneId, description, anchorIds, targetId, category } of queries) {
      const objects = rooms.get(sceneId)!;
      const [stand, faced] = anchorIds.map((id) => objects[id]!) as [
        (typeof objects)[number],
        (typeof objects)[number],
      ];
      // said in this order: where one stands, then what one faces
      const names = [stand, faced].map(({ colour, label }) => description.indexOf(`${colour} ${label}`));
      expect(names[0]).toBeGreaterThanOrEqual(0);
      expect(names[1]).toBeGreaterThan(names[0]!);
      const heading = Math.atan2(faced.box[1] - stand.box[1], faced.box[0] - stand.box[0]);
      const side = description.includes("left") ? "left" : description.includes("right") ? "right" : "behind";
      sides.add(side);
      // the angle from the heading, counter-clockwise, and whether it is on the side that is said
      const there = objects.flatMap((o, id) => {
        if (o.label !== category) return [];
        const angle = Math.atan2(o.box[1] - stand.box[1], o.box[0] - stand.box[0]) - heading;
        const on = { left: Math.sin(angle) > 0, right: Math.sin(angle) < 0, behind: Math.cos(angle) < 0 }[side];
        return on ? [id] : [];
      });
      expect(there, description).toEqual([targetId]);
    }
    expect([...sides].sort()).toEqual(["behind", "left", "right"]);
  });
});

test("split evidence: no frame that shows the class of what is asked for shows an anchor", async () => {
  for (const name of ["split-distant", "split-adjacent"] as const) {
    // seeds of rooms that have some: one or two a room on average
    const config = small(name, { testRooms: 12, image: 112 });
    let relations = 0;
    for (const { record } of await roomsOf(config)) {
      for (const { kind, target, anchors } of record.sentences) {
        if (kind === "attribute") continue;
        relations++;
        const share = (id: number, frame: number): number => record.objects[id]!.pixels[frame]! / 112 ** 2;
        const named = Array.from({ length: config.frames }, (_, frame) => frame).filter(
          (f) => share(target, f) >= 0.03,
        );
        expect(named.length).toBeGreaterThan(0);
        for (const frame of named)
          for (const anchor of anchors) expect(share(anchor, frame)).toBeLessThan(config.shown.share);
      }
    }
    expect(relations, name).toBeGreaterThan(3);
  }
});

test("poor geometry: the stated share of the depth is missing", async () => {
  for (const [name, share] of [
    ["holes-50-test", 0.5],
    ["holes-90-test", 0.9],
  ] as const) {
    const [room] = await roomsOf(small(name, { testRooms: 1 }));
    const { pixels } = await decodePng16(room!.files.get("depth/0.png") as Uint8Array, "depth");
    const missing = pixels.filter((d) => d === 0).length / pixels.length;
    expect(missing).toBeGreaterThanOrEqual(share);
    expect(missing).toBeLessThan(share + 0.05);
  }
});

test("street: the same pictures, six times as large", async () => {
  const config = small("street", { testRooms: 2 });
  const folder = join(top, "street");
  await makeRooms(folder, config);
  expect((await checkData(folder, 64)).problems).toEqual([]);
  const [large] = await roomsOf(config);
  const { scale: _, ...plain } = config;
  const [usual] = await roomsOf(plain);
  expect(large!.files.get("color/0.jpg")).toEqual(usual!.files.get("color/0.jpg"));
  expect(large!.record.sentences).toEqual(usual!.record.sentences);
  const depth = async (room: RoomFiles): Promise<number[]> => [
    ...(await decodePng16(room.files.get("depth/0.png") as Uint8Array, "depth")).pixels,
  ];
  expect(await depth(large!)).toEqual((await depth(usual!)).map((d) => 6 * d));
  large!.record.objects.forEach(({ box }, i) => {
    expect(box.map((x) => x / 6)).toEqual(usual!.record.objects[i]!.box.map((x) => expect.closeTo(x, 9)));
  });
});

test("planted errors of annotation: a tenth names another object of the class, and what is meant is kept", async () => {
  const config = small("mislabelled-test", { testRooms: 12, frames: 4, testSentences: 16, wrongLabels: 0.3 });
  const folder = join(top, "mislabelled");
  await makeRooms(folder, config);
  // the check looks at what is meant
  expect((await checkData(folder, 64)).problems).toEqual([]);
  const queries = readScanRefer(join(folder, "ScanRefer_filtered_val.json"));
  const wrong = queries.filter(({ truth }) => truth !== undefined);
  // lone objects have no other to be mistaken for
  expect(wrong.length / queries.length).toBeGreaterThan(0.12);
  expect(wrong.length / queries.length).toBeLessThan(0.35);
  for (const { truth, targetId } of wrong) expect(truth).not.toBe(targetId);
});

test("proposals: jitter as a share of the edge, misses and duplicates", async () => {
  const [exact, off, missed, twice] = await Promise.all(
    (["noise-10", "noise-40", "misses", "duplicates"] as const).map((name) =>
      roomsOf(small(name, { testRooms: 6, frames: 2, seed: 1 })),
    ),
  );
  const counts = (rooms: RoomFiles[]): [number, number] => [
    rooms.reduce((n, { record }) => n + record.proposals.length, 0),
    rooms.reduce((n, { record }) => n + record.objects.length, 0),
  ];
  const [offered, objects] = counts(exact!);
  expect(offered).toBe(objects);
  expect(counts(twice!)[0]).toBe(2 * objects);
  expect(counts(missed!)[0] / objects).toBeGreaterThan(0.5);
  expect(counts(missed!)[0] / objects).toBeLessThan(0.85);
  /** Root mean square distance of centres to the nearest true one, as a share of the edge. */
  const error = (rooms: RoomFiles[]): number => {
    const all = rooms.flatMap(({ record }) =>
      record.proposals.map(({ box }) => Math.min(...record.objects.map((o) => Math.abs(box[0] - o.box[0]) / o.box[3]))),
    );
    return Math.sqrt(all.reduce((sum, e) => sum + e * e, 0) / all.length);
  };
  expect(error(exact!)).toBeLessThan(0.2);
  expect(error(off!)).toBeGreaterThan(1.5 * error(exact!));
});
