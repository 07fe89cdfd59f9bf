import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WriteError, writeFileAtomic, writingError } from "../../lib/core/files";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("writes text and bytes, makes the folders, leaves no temporary file", () => {
  const text = join(folder, "a", "b", "note.json");
  writeFileAtomic(text, "{}\n");
  expect(readFileSync(text, "utf8")).toBe("{}\n");
  writeFileAtomic(join(folder, "a", "b", "raw.bin"), Uint8Array.of(0, 255, 7));
  expect([...readFileSync(join(folder, "a", "b", "raw.bin"))]).toEqual([0, 255, 7]);
  expect(readdirSync(join(folder, "a", "b")).sort()).toEqual(["note.json", "raw.bin"]);
});

test("replaces the old content whole", () => {
  const file = join(folder, "state.json");
  writeFileSync(file, "a much longer old content");
  writeFileAtomic(file, "new");
  expect(readFileSync(file, "utf8")).toBe("new");
});

test("a write that fails keeps what was there and cleans up", () => {
  // the name is taken by a folder, so the rename cannot succeed
  const taken = join(folder, "taken");
  mkdirSync(join(taken, "inside"), { recursive: true });
  expect(() => writeFileAtomic(taken, "text")).toThrow();
  expect(readdirSync(taken)).toEqual(["inside"]);
  expect(readdirSync(folder)).toEqual(["taken"]);
});

test("a file where a folder should be is said, and left alone", () => {
  const file = join(folder, "file");
  writeFileSync(file, "here");
  const write = (): void => writeFileAtomic(join(file, "below", "note.json"), "{}");
  expect(write).toThrow(WriteError);
  expect(write).toThrow(/file.below: a file is where a folder should be; name another folder \(E/);
  expect(readFileSync(file, "utf8")).toBe("here");
});

describe("an error of writing", () => {
  const errorOf = (write: () => void): unknown => {
    try {
      write();
    } catch (error) {
      return writingError(error, folder);
    }
    return undefined;
  };

  test.runIf(existsSync("/dev/full"))("says that the disk is full", () => {
    expect(errorOf(() => writeFileSync("/dev/full", "x"))).toMatchObject({
      name: "UserError",
      message: expect.stringMatching(/^\/.*: the disk is full; free some room \(ENOSPC: /),
    });
  });

  test("says that a file is in the way", () => {
    writeFileSync(join(folder, "file"), "");
    const why = /: a file is where a folder should be; name another folder \(E/;
    expect(errorOf(() => mkdirSync(join(folder, "file"), { recursive: true }))).toMatchObject({
      message: expect.stringMatching(why),
    });
    expect(errorOf(() => mkdirSync(join(folder, "file", "below"), { recursive: true }))).toMatchObject({
      message: expect.stringMatching(why),
    });
  });

  test("of another cause stays what it is", () => {
    const error = new Error("a bug");
    expect(writingError(error, folder)).toBe(error);
  });
});
