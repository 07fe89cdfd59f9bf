import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { findChromium, findProgram } from "../../lib/core/programs";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-programs-"));
  for (const name of ["one", "two"]) mkdirSync(join(folder, name));
  for (const path of ["one/tool", "two/tool", "two/other"]) {
    writeFileSync(join(folder, path), "#!/bin/sh\n");
    chmodSync(join(folder, path), 0o755);
  }
  writeFileSync(join(folder, "one", "notes"), "plain text", { mode: 0o644 });
  mkdirSync(join(folder, "one", "other"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
});

test("earlier names win over earlier folders, folders in the order of PATH", () => {
  const path = [join(folder, "one"), join(folder, "two")].join(delimiter);
  expect(findProgram(["tool"], path)).toBe(join(folder, "one", "tool"));
  expect(findProgram(["other", "tool"], path)).toBe(join(folder, "two", "other")); // one/other is a folder
  expect(findProgram(["absent", "tool"], path)).toBe(join(folder, "one", "tool"));
});

test("absolute names are tried as they are", () => {
  expect(findProgram([join(folder, "two", "tool")], "")).toBe(join(folder, "two", "tool"));
});

test("what is absent or cannot be executed is not found", () => {
  expect(findProgram(["absent"], join(folder, "one"))).toBeUndefined();
  expect(findProgram(["notes"], join(folder, "one"))).toBeUndefined();
  expect(findProgram(["tool"], "")).toBeUndefined();
});

test("S2_CHROMIUM decides alone", () => {
  vi.stubEnv("S2_CHROMIUM", join(folder, "two", "tool"));
  expect(findChromium()).toBe(join(folder, "two", "tool"));
  vi.stubEnv("S2_CHROMIUM", join(folder, "absent"));
  expect(findChromium()).toBeUndefined();
});
