import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
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

test("what a process that is gone had begun to prepare is removed, and nothing else", () => {
  const { pid: gone } = spawnSync(process.execPath, ["--version"]);
  const key = "0123456789abcdef";
  // 1 is there and, unless tests run as root, may not be asked
  const kept = [key, `${key}.${process.pid}.tmp`, `${key}.1.tmp`, `notes.${gone}.tmp`];
  for (const name of [...kept, `${key}.${gone}.tmp`]) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "records-0.bin"), "half");
  }
  sweepUnfinished(folder);
  expect(readdirSync(folder).sort()).toEqual(kept.sort());
  sweepUnfinished(join(folder, "absent"));
});
