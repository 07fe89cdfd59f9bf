import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { S2Config } from "../../lib/config/schema";
import { runChild } from "../../lib/core/child";
import type { Progress } from "../../lib/core/progress";
import { inProject } from "../../lib/core/root";
import { prepareScenes, sweepUnfinished } from "../../lib/dataloader/prepare";
import type { CacheIndex, SceneCache } from "../../lib/dataloader/prepared-scenes";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

describe("unfinished files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "s2-sweep-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("of a process that is gone are removed, and nothing else", () => {
    const { pid: gone } = spawnSync(process.execPath, ["--version"]);
    const scene = "scene0000_00-0123456789abcdef.bin";
    // 1 is there and, unless tests run as root, may not be asked
    const kept = [scene, "index.json", `${scene}.${process.pid}.tmp`, `${scene}.1.tmp`];
    for (const name of [...kept, `${scene}.${gone}.tmp`, `index.json.${gone}.tmp`])
      writeFileSync(join(folder, name), "half");
    sweepUnfinished(folder);
    expect(readdirSync(folder).sort()).toEqual(kept.sort());
    sweepUnfinished(join(folder, "absent"));
  });
});

describe("prepared scenes of three rooms", () => {
  let world: TinyWorld;
  let config: S2Config;
  let folder: string;
  const first = "scene0000_00";
  beforeAll(async () => {
    world = await tinyWorld(909);
    config = world.config();
    folder = (await prepareScenes(config, () => {})).folder;
  }, 300_000);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    world.remove();
  });

  /** What preparing says, and how many scenes it prepares. */
  async function prepare(
    during: (p: Progress) => void = () => {},
  ): Promise<{ cache: SceneCache; notes: string[]; scenes: number }> {
    const notes: string[] = [];
    let scenes = 0;
    const cache = await prepareScenes(config, (p) => {
      if (p.task !== "prepare scenes") return;
      if (p.note !== undefined) notes.push(p.note);
      else scenes = Math.max(scenes, p.done);
      during(p);
    });
    return { cache, notes, scenes };
  }
  const files = (): string[] => readdirSync(folder).sort();
  /** The n-th file of one kind of the first scan's frames. */
  const frame = (kind: string, n: number): string => {
    const at = join(world.folder, "scans", first, kind);
    return join(at, readdirSync(at).sort()[n]!);
  };
  /** The scan that a detector has looked at. */
  const tested = (): string => readdirSync(join(world.folder, "proposals"))[0]!.replace(".json", "");
  const boxes = (): string => join(world.folder, "proposals", `${tested()}.json`);
  const otherDigit = (digit: string): string => (digit === "1" ? "2" : "1");

  test("keep what one room's geometry gave, to the bit", async () => {
    const { cache } = await prepare();
    const { record } = cache.scenes("train")[0]!;
    const hash = createHash("sha256");
    for (let view = 0; view < 6; view++) {
      const { intrinsics, pose } = record.camera(view);
      hash.update(Float64Array.of(intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy)).update(pose);
      for (const block of [record.patchXyz(view), record.patchKnown(view), record.rays(view), record.depth(view)])
        hash.update(block);
    }
    hash
      .update(cache.scenes("train")[0]!.patchCounts("gt", [0, 3]))
      .update(cache.scenes("train")[0]!.patchCounts("detector", [5]));
    expect(hash.digest("hex").slice(0, 16)).toBe("d3471b3481793bec");
    // the tower's features: whose last digits are an engine's own
    const features = record.features(2);
    [-1.132172, -1.549556, 1.148316].forEach((x, i) => {
      expect(Math.abs(features[[0, 1000, 6000][i]!]! - x)).toBeLessThan(1e-4);
    });
  });

  test("are read again, not made again", async () => {
    const before = files().map((name) => statSync(join(folder, name)).mtimeMs);
    expect(await prepare()).toMatchObject({ notes: [], scenes: 0 });
    expect(files().map((name) => statSync(join(folder, name)).mtimeMs)).toEqual(before);
  });

  test.each([
    // another frame's, of this very scan
    ["poses", () => copyFileSync(frame("pose", 4), frame("pose", 2))],
    ["depth", () => copyFileSync(frame("depth", 4), frame("depth", 2))],
    // of the same length
    ["proposals", () => writeFileSync(boxes(), readFileSync(boxes(), "utf8").replace(/\d(?=[,\]])/, otherDigit))],
  ])("of a scene whose %s change are made anew alone, and it is said why", async (part, change) => {
    const index = files();
    change();
    const { notes, scenes, cache } = await prepare();
    const id = part === "proposals" ? tested() : first;
    expect(notes).toEqual([`1 of 3 scenes have changed since they were prepared (${id}: ${part}): prepared anew`]);
    expect(scenes).toBe(1);
    expect(cache.scenes("train")[0]!.record.patchKnown(0).length).toBe(64);
    // the old file is gone, the others are as they were
    expect(files().length).toBe(index.length);
    expect(files().filter((name) => !index.includes(name))).toEqual([expect.stringContaining(id)]);
  });

  test("that are damaged or gone are made again alone", async () => {
    const [a, b] = files().filter((name) => name.startsWith("scene")) as [string, string];
    truncateSync(join(folder, a), 3000);
    rmSync(join(folder, b));
    rmSync(join(folder, "index.json"));
    expect(await prepare()).toMatchObject({ notes: [], scenes: 2 });
    expect(files()).toContain(b);
  });

  test("of another version are made anew, which is said once", async () => {
    const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as object;
    writeFileSync(join(folder, "index.json"), JSON.stringify({ ...index, version: 1 }));
    const old = join(dirname(folder), "fedcba9876543210");
    mkdirSync(old);
    writeFileSync(join(old, "records-0.bin"), "x");
    const { notes } = await prepare();
    expect(notes).toEqual([
      "scenes prepared by an earlier version are removed: prepared anew",
      expect.stringMatching(/^data.cache.[0-9a-f]{16} was written by another version: prepared anew$/),
    ]);
    expect(existsSync(old)).toBe(false);
    expect((await prepare()).notes).toEqual([]);
  });

  test("are made by two commands at once without harm", async () => {
    rmSync(folder, { recursive: true });
    const [one, two] = await Promise.all([prepare(), prepare()]);
    expect(one.cache.index).toEqual(two.cache.index);
    for (const { cache } of [one, two])
      expect(
        cache
          .scenes("val")[0]!
          .record.patchKnown(0)
          .some((known) => known === 1),
      ).toBe(true);
    expect(files().filter((name) => !/^(index\.json|scene\w+-[0-9a-f]{16}\.bin)$/.test(name))).toEqual([]);
  });

  test("are made by two processes in one folder without harm, each scene whole and none twice", async () => {
    rmSync(folder, { recursive: true });
    const module = inProject("tests", "dataloader", "preparing-process.ts");
    const [one, two] = await Promise.all([0, 1].map(() => runChild<S2Config, never, CacheIndex>(module, config)));
    expect(one).toEqual(two);
    const { cache, scenes, notes } = await prepare();
    expect([scenes, notes]).toEqual([0, []]);
    expect(cache.index).toEqual(one);
    const written = files().filter((name) => name.startsWith("scene"));
    expect(written.length).toBe(new Set(written.map((name) => name.slice(0, first.length))).size);
    expect(files().filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("whose files change while they are read are named, and none of them is kept", async () => {
    rmSync(folder, { recursive: true });
    const path = frame("pose", 3);
    const kept = readFileSync(path);
    let changed = false;
    const preparing = prepare(({ done, total }) => {
      if (changed || done < total) return;
      writeFileSync(path, `${kept.toString().trimEnd()}\n\n`);
      changed = true;
    });
    await expect(preparing).rejects.toThrow(
      /tiny: scene0000_00 \(poses\) changed while being prepared; run the same command again/,
    );
    expect(files().filter((name) => name.startsWith(first))).toEqual([]);
    writeFileSync(path, kept);
    // the other two are finished and stay
    expect((await prepare()).scenes).toBe(1);
  });
});
