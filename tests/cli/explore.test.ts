import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { run as explore } from "../../lib/cli/explore";
import { writeSampleResults } from "../report/sample";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-cli-explore-"));
  vi.stubEnv("S2_RESULTS", results);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(results, { recursive: true });
});

test("where no run is finished, it is said what makes one", async () => {
  await expect(explore(["answers", "abc"])).rejects.toThrow(
    'no finished run begins with "abc"; those with any boxes are none yet (s2mllm study table5 makes some)',
  );
  await expect(explore(["attention", "abc"])).rejects.toThrow(/abc/);
});

test("a name that fits no run, or several, lists those that there are", async () => {
  writeSampleResults(results);
  await expect(explore(["answers", "zzz"])).rejects.toThrow(/begins with "zzz"; .*\n {2}\w+ {2}full, seed 0, nano/s);
  await expect(explore(["answers", ""])).rejects.toThrow(/several runs begin with ""/);
  await expect(explore(["answers", "zzz", "--proposals", "gt"])).rejects.toThrow(/those with gt boxes are/);
});

test.each([
  [[], 'takes answers or attention, got ""'],
  [["answers"], "takes one run, or two to compare"],
  [["answers", "a", "b", "c"], "takes one run, or two to compare"],
  [["answers", "a", "--scene", "scene2450_00"], "--scene belongs to attention"],
  [["answers", "a", "--scenes", "3"], "--scenes belongs to attention"],
  [["attention", "a", "--proposals", "gt"], "--proposals belongs to answers"],
  [["attention", "a", "--scene", "scene2450_00", "--scenes", "3"], "takes --scene or --scenes, not both"],
])("%j is refused as wrong usage", async (args, message) => {
  await expect(explore(args)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(message) });
});
