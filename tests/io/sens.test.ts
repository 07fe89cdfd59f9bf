import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { inProject } from "../../lib/core/root";
import { SensFile } from "../../lib/io/sens";
import fc from "../setup/fast-check";
import { u64 } from "../setup/formats/bytes";
import { type SensFrame, type SensSpec, sensFile, sparseSens } from "../setup/formats/sens";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-sens-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const pose = (x: number): number[] => [1, 0, 0, x, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const map = (from: number): Uint16Array => Uint16Array.from({ length: 48 }, (_, i) => from + i);
const frames: SensFrame[] = [
  { pose: pose(0.5), jpeg: Buffer.from("first"), depth: map(1000) },
  { pose: new Array<number>(16).fill(-Infinity), jpeg: Buffer.from("second picture"), depth: map(2000) },
  { pose: pose(-2), jpeg: Buffer.from("3"), depth: map(65000) },
];

function file(bytes: Buffer): string {
  const path = join(folder, "scene0001_00.sens");
  writeFileSync(path, bytes);
  return path;
}
const open = (spec: SensSpec = {}, list = frames): SensFile => SensFile.open(file(sensFile(list, spec)));

describe("a recording", () => {
  test("is read frame by frame, in any order", () => {
    const sens = open({ depthIntrinsics: [577.87, 578, 319.5, 239.5] });
    expect(sens.frameCount).toBe(3);
    expect([sens.colour, sens.depth, sens.depthShift]).toEqual([{ cols: 8, rows: 6 }, { cols: 8, rows: 6 }, 1000]);
    // float32 in the file
    expect([...sens.depthIntrinsics.slice(0, 7)].map((x) => Number(x.toFixed(2)))).toEqual([
      577.87, 0, 319.5, 0, 0, 578, 239.5,
    ]);
    expect(sens.colourIntrinsics[0]).toBe(1170);
    expect(sens.colourJpeg(2).toString()).toBe("3");
    expect(sens.colourJpeg(1).toString()).toBe("second picture");
    expect([...sens.depthMap(2).pixels]).toEqual([...map(65000)]);
    expect([...sens.depthMap(0).pixels]).toEqual([...map(1000)]);
    expect(sens.poses.map((p) => p[3])).toEqual([0.5, -Infinity, -2]);
  });

  test("may have no sensor name, inertial records behind, or no frames", () => {
    expect(
      open({ sensor: "", tail: Buffer.concat([u64(2), Buffer.alloc(256)]) })
        .colourJpeg(0)
        .toString(),
    ).toBe("first");
    // an older writer left the inertial count away
    expect(open({ tail: Buffer.alloc(0) }).frameCount).toBe(3);
    expect(open({}, []).frameCount).toBe(0);
  });

  test("of 4 GB is opened and read in little memory", { timeout: 300_000 }, () => {
    const path = join(folder, "large.sens");
    const bytes = sparseSens(
      path,
      3300,
      [1_200_000, 120_000],
      { ...frames[0]!, depth: Uint16Array.from({ length: 640 * 480 }, (_, i) => i % 5000) },
      { colour: [1296, 968], depth: [640, 480] },
    );
    expect(bytes).toBeGreaterThan(2 ** 32);
    const tsx = pathToFileURL(createRequire(inProject("package.json")).resolve("tsx")).href;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", tsx, inProject("tests", "io", "open-sens.ts"), path],
      { encoding: "utf8" },
    );
    expect(stderr).toBe("");
    const { peakMB, ...read } = JSON.parse(stdout) as { peakMB: number };
    expect(read).toEqual({ frames: 3300, jpeg: 5, depth: [0, 1, 2, 3] });
    expect(peakMB).toBeLessThan(300);
  });
});

describe("a bad recording", () => {
  test.each<[string, SensSpec, string]>([
    [
      "another version",
      { version: 3 },
      "scene0001_00.sens: version is 3, expected 4; download the scan's .sens file again",
    ],
    ["raw colour", { colourKind: 0 }, "colour compression is 0, expected 2 (jpeg)"],
    ["an unknown colour", { colourKind: -1 }, "colour compression is -1, expected 2 (jpeg)"],
    ["occipital depth", { depthKind: 2 }, "depth compression is 2, expected 1 (zlib_ushort)"],
    ["no pixels", { depth: [0, 6] }, "images are 8x6 (colour) and 0x6 (depth), expected sides of 1 to 8192 pixels"],
    ["huge pictures", { colour: [70000, 6] }, "images are 70000x6 (colour)"],
    ["no depth units", { shift: 0 }, "depth shift is 0, expected the depth units of a metre"],
    ["depth units that are no number", { shift: NaN }, "depth shift is NaN"],
    ["more frames than fit", { count: 2n ** 60n }, "announces 1152921504606846976 frames, for which its"],
    ["a frame too many", { count: 4 }, "inside the header of frame 3 of 4, which needs 96 bytes"],
    [
      "a name without end",
      { sensor: "x".repeat(2000) },
      "the sensor's name has 2000 characters, expected at most 1024",
    ],
  ])("%s", (_, spec, message) => {
    expect(() => open(spec)).toThrow(UserError);
    expect(() => open(spec)).toThrow(message);
  });

  test("is named where it is cut off", () => {
    const whole = sensFile(frames, { tail: Buffer.alloc(0) });
    const cut = (bytes: number): void => void SensFile.open(file(whole.subarray(0, bytes)));
    expect(() => cut(0)).toThrow(
      "ends after 0 bytes inside its header, which needs 12 bytes at 0; the download is not complete",
    );
    expect(() => cut(100)).toThrow("ends after 100 bytes inside its header");
    expect(() => cut(whole.length - 1)).toThrow(
      /frame 2 of 3 announces 1 bytes of colour and \d+ of depth, but the file has \d+ left; the download/,
    );
    // every cut is an error, never a crash or a shorter recording
    for (let n = 0; n < whole.length; n += 7) expect(() => cut(n)).toThrow(UserError);
  });

  test("is not there, or is a folder", () => {
    expect(() => SensFile.open(join(folder, "none.sens"))).toThrow("none.sens: cannot be read (ENOENT)");
    expect(() => SensFile.open(folder)).toThrow(UserError);
  });

  test("sizes that go beyond the file, or beyond the image, are not believed", () => {
    const bytes = sensFile(frames);
    const sizes = bytes.indexOf("first") - 16;
    const large = Buffer.from(bytes);
    large.writeBigUInt64LE(2n ** 63n, sizes);
    expect(() => SensFile.open(file(large))).toThrow("frame 0 of 3 announces 9223372036854775808 bytes of colour");
    const long = Buffer.from(bytes);
    long.writeBigUInt64LE(60_000n, sizes);
    expect(() => SensFile.open(file(long))).toThrow("frame 0 of 3 announces 60000 bytes of colour and");
  });

  test("one damaged image leaves the others readable", () => {
    const broken = [
      { ...frames[0]!, depth: Buffer.from("not zlib") },
      frames[1]!,
      { ...frames[2]!, depth: deflateSync(Buffer.alloc(50)) },
      { ...frames[0]!, jpeg: Buffer.alloc(0), depth: deflateSync(Buffer.alloc(500)) },
    ];
    const sens = open({}, broken);
    expect(() => sens.depthMap(0)).toThrow(
      "scene0001_00.sens: the depth image of frame 0 does not unpack (incorrect header check, 8 bytes)",
    );
    expect(() => sens.depthMap(2)).toThrow("the depth image of frame 2 has 50 bytes, expected 96 for 8x6");
    expect(() => sens.depthMap(3)).toThrow("the depth image of frame 3 does not unpack");
    expect(() => sens.colourJpeg(3)).toThrow("frame 3 has no colour image");
    expect(() => sens.colourJpeg(4)).toThrow("has no frame 4; its frames are 0 to 3");
    expect([...sens.depthMap(1).pixels]).toEqual([...map(2000)]);
  });

  test("mutated bytes give an error or a readable file, never anything else", () => {
    const whole = sensFile(frames);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(whole.length),
        (changes, cut) => {
          const bytes = Buffer.from(whole);
          for (const [at, to] of changes) bytes[at] = to;
          const path = file(cut % 3 === 0 ? bytes.subarray(0, cut) : bytes);
          try {
            const sens = SensFile.open(path);
            for (let i = 0; i < sens.frameCount; i++) {
              sens.colourJpeg(i);
              sens.depthMap(i);
            }
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
