import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { crc32c, fileHeader, scalarEvent } from "../../lib/io/tfevents";

/** The steps of tfevents.py. */
const events = Buffer.concat([
  fileHeader(1700000000),
  scalarEvent(1700000000.5, 0, { total: 2.5, "accuracy/closest": 0.25 }),
  scalarEvent(1700000060, 3000, { total: -1e-3, größe: 7 }),
]);

test("checksums are those of RFC 3720", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
});

test("an event file is, byte for byte, the one that TensorBoard's own code wrote", () => {
  expect(events.equals(readFileSync(inProject("tests", "fixtures", "scalars.tfevents")))).toBe(true);
});

const python = inProject("data", "cache", "python", "tensorboard", "bin", "python");
// .ci/run installs it: there a missing one fails
test.runIf(existsSync(python) || process.env.CI === "true")(
  "TensorBoard reads the scalars back",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "s2-events-"));
    try {
      writeFileSync(join(folder, "events.out.tfevents.s2mllm"), events);
      const script = inProject("tests", "io", "tfevents.py");
      const out = execFileSync(python, [script, "read", folder], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      expect(JSON.parse(out)).toEqual({
        total: [
          [0, 2.5],
          [3000, Math.fround(-1e-3)],
        ],
        "accuracy/closest": [[0, 0.25]],
        größe: [[3000, 7]],
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  120_000,
);
