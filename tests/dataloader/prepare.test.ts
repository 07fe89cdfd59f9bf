import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sweepUnfinished } from "../../lib/dataloader/prepare";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-sweep-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("what a process that is gone had begun to write is removed, and nothing else", () => {
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
