import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { RoomsConfig, roomSets } from "../../../lib/datasets/rooms/config";
import { makeRoom, planOf } from "../../../lib/datasets/rooms/scan";

/** sha256, the first 16 digits. */
const digest = (content: Uint8Array | string): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 16);

test("a training room of S2-Rooms and a test room stay the bytes that runs were made on", async () => {
  const seen: Record<string, unknown> = {};
  for (const [size, id] of [
    ["nano", "scene0009_00"],
    ["tiny", "scene0006_00"],
  ] as const) {
    const config = RoomsConfig.parse(roomSets[size]);
    const { record, files } = await makeRoom(config, planOf(config, id));
    const of = (folder: RegExp): string =>
      digest([...files].flatMap(([name, data]) => (folder.test(name) ? [`${name} ${digest(data)}`] : [])).join("\n"));
    seen[`${size} ${id}`] = {
      files: files.size,
      colour: of(/^color/),
      depth: of(/^depth/),
      poses: of(/^pose/),
      facts: of(/^intrinsic|\.txt$/),
      mesh: of(/\.ply$/),
      annotation: of(/\.json$/),
      content: record.content.slice(0, 16),
      record: digest(JSON.stringify(record)),
    };
  }
  expect(seen).toMatchInlineSnapshot(`
    {
      "nano scene0009_00": {
        "annotation": "2f8c4197693b0346",
        "colour": "717baeea6b1bfbaf",
        "content": "d10374f4cd0c3a0b",
        "depth": "23717e6859a468b0",
        "facts": "478874bcca49d3d0",
        "files": 45,
        "mesh": "75de28c3b8578bf0",
        "poses": "914baef487106666",
        "record": "cea66b361e36c2cd",
      },
      "tiny scene0006_00": {
        "annotation": "b5d96dc5fb2ec541",
        "colour": "ab6d0868cae393f7",
        "content": "e04a17b06cf05436",
        "depth": "3a65ae18fddf5780",
        "facts": "2661cf6f5e4bcc30",
        "files": 42,
        "mesh": "c204c2c4b9ab2d4d",
        "poses": "4184287f9b18541e",
        "record": "9065afd17429ac96",
      },
    }
  `);
});
