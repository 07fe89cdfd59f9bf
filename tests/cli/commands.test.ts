import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { commands } from "../../lib/cli/commands";
import { dispatch, usage } from "../../lib/cli/dispatch";
import { inProject } from "../../lib/core/root";

afterEach(() => {
  vi.restoreAllMocks();
});

/** The real command line in a process of its own. */
function s2mllm(
  args: readonly string[],
  env: Record<string, string> = {},
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [inProject("lib", "cli", "bootstrap.cjs"), ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

describe("the list of commands", () => {
  test("has every file of lib/cli that exports run, and no other", () => {
    const files = readdirSync(inProject("lib", "cli"))
      .filter(
        (name) =>
          name.endsWith(".ts") &&
          /^export (async )?function run\(/m.test(readFileSync(inProject("lib", "cli", name), "utf8")),
      )
      .map((name) => name.replace(/\.ts$/, ""));
    expect(Object.keys(commands).sort()).toEqual(files.sort());
  });

  test.each(Object.keys(commands))("%s --help prints its usage and ends with 0", async (name) => {
    let out = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
    expect(await dispatch([name, "--help"], commands)).toBe(0);
    expect(out).toMatch(new RegExp(`^usage: s2mllm ${name}`));
  });

  test.each(Object.keys(commands))("%s refuses an unknown option with 2 and an empty stdout", async (name) => {
    let out = "";
    let err = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
    vi.spyOn(process.stderr, "write").mockImplementation((text) => ((err += String(text)), true));
    expect(await dispatch([name, "--no-such-option"], commands)).toBe(2);
    expect(out).toBe("");
    expect(err).toMatch(/^error: .*unknown option "--no-such-option"/);
  });
});

describe("the process", () => {
  test("--help", () => {
    expect(s2mllm(["--help"])).toMatchObject({ status: 0, stdout: usage(commands), stderr: "" });
  });

  test("an unknown command ends with 2 and leaves stdout empty", () => {
    const { status, stdout, stderr } = s2mllm(["docter"]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^unknown command "docter" \(did you mean "doctor"\?\)\n/);
  });

  test("doctor --json prints one document on stdout and nothing else", () => {
    const { status, stdout, stderr } = s2mllm(["doctor", "--json"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const report = JSON.parse(stdout) as Record<string, { found: boolean; detail: string }>;
    expect(Object.keys(report)).toEqual([
      "node",
      "machine",
      "engine",
      "gpu",
      "chromium",
      "jupyter",
      "torch",
      "rooms",
      "scannet",
      "pretrained",
      "weights",
    ]);
    expect(report.engine).toMatchObject({
      found: true,
      engine: expect.any(String) as string,
      rejected: expect.any(Array) as unknown[],
    });
    expect(report.node).toMatchObject({ found: true, detail: expect.stringContaining(process.version) as string });
  });

  test("doctor ends with 1 when no engine starts, and still says the rest", () => {
    const { status, stdout } = s2mllm(["doctor"], { S2_ENGINE: "abacus" });
    expect(status).toBe(1);
    expect(stdout).toMatch(/^ok {2}node +v\d+/);
    expect(stdout).toMatch(/^-- {2}engine +engine in S2_ENGINE "abacus" is unknown/m);
    expect(stdout).toMatch(/^(ok|--) {2}chromium /m);
  });

  test("a reader that closes the pipe early is no failure", () => {
    const { status, stderr } = spawnSync(
      "bash",
      ["-c", `set -o pipefail; "$0" "$1" doctor | true`, process.execPath, inProject("lib", "cli", "bootstrap.cjs")],
      { encoding: "utf8" },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});
