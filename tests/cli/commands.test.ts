import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { inProject } from "../../lib/core/root";

function s2mllm(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [inProject("lib", "cli", "bootstrap.cjs"), ...args], { encoding: "utf8" });
}

const usage = s2mllm("--help").stdout;
const listed = [...usage.matchAll(/^ {2}(\w+) {2,}\S/gm)].map((match) => match[1]!);

test("every file in lib/cli that exports run is a listed command, and every listed command has its file", () => {
  const files = readdirSync(inProject("lib", "cli"))
    .filter((name) => name.endsWith(".ts") && /^export (async )?function run\(/m.test(readFileSync(inProject("lib", "cli", name), "utf8")))
    .map((name) => name.replace(/\.ts$/, ""));
  expect([...listed].sort()).toEqual(files.sort());
});

test.each(listed)("%s --help prints its usage and ends with 0", (name) => {
  const { status, stdout, stderr } = s2mllm(name, "--help");
  expect(stderr).toBe("");
  expect(stdout).toMatch(new RegExp(`^usage: s2mllm ${name}`));
  expect(status).toBe(0);
});

test("an unknown command and an unknown option end with 2 and leave stdout empty", () => {
  expect(s2mllm("docter")).toMatchObject({ status: 2, stdout: "" });
  const option = s2mllm("doctor", "--jsno");
  expect(option).toMatchObject({ status: 2, stdout: "" });
  expect(option.stderr).toMatch(/^error: doctor: unknown option "--jsno" \(did you mean "--json"\?\)\n/);
});

test("doctor --json prints one document on stdout and nothing else", () => {
  const { status, stdout, stderr } = s2mllm("doctor", "--json");
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const report = JSON.parse(stdout) as Record<string, { found: boolean; detail: string }>;
  expect(Object.keys(report)).toEqual(expect.arrayContaining(["node", "machine", "chromium", "jupyter", "rooms", "scannet", "pretrained"]));
  expect(report["node"]).toMatchObject({ found: true, detail: expect.stringContaining(process.version) as string });
});

test("doctor as text has a line for each finding", () => {
  const { status, stdout } = s2mllm("doctor");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^ok {2}node +v\d+/);
  expect(stdout).toMatch(/^(ok|--) {2}chromium /m);
});

test("a reader that closes the pipe early is no failure", () => {
  const { status, stderr } = spawnSync(
    "bash",
    ["-c", `set -o pipefail; "$0" "$1" doctor | true`, process.execPath, inProject("lib", "cli", "bootstrap.cjs")],
    { encoding: "utf8" },
  );
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
