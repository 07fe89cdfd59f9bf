import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { packItems } from "../../../lib/engine/pack/archive";
import { copyForGpu, requireCommitted, requirePackages } from "../../../lib/engine/pack/pack";
import { cudaLibrary } from "./made-up";

const top = mkdtempSync(join(tmpdir(), "s2-pack-"));
afterAll(() => rmSync(top, { recursive: true }));

/** Numbers that xz cannot make smaller. */
function noise(bytes: number): Buffer {
  let state = 1;
  return Buffer.from(Array.from({ length: bytes }, () => (state = (state * 48271) % 2147483647) & 255));
}

const engine = join(top, "cuda");
mkdirSync(join(engine, "onnxruntime", "capi"), { recursive: true });
const provider = join("onnxruntime", "capi", "libonnxruntime_providers_cuda.so");
const library = cudaLibrary([
  [
    { kind: 2, arch: 90, code: noise(20_000) },
    { kind: 2, arch: 80, code: noise(400_000) },
  ],
]);
writeFileSync(join(engine, provider), library);
writeFileSync(join(engine, "engine.json"), "{}");

function contents(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length + 1), readFileSync(path).toString("base64")]),
  );
}

test("an engine is made small, cut into parts, checked and laid out as it was", async () => {
  const small = join(top, "small");
  const said: string[] = [];
  copyForGpu(engine, small, 90, (line) => said.push(line));
  expect(said).toEqual(["libonnxruntime_providers_cuda.so: 0 MB for this GPU, 0 MB for others blanked"]);
  const lab = join(top, "lab");
  mkdirSync(join(lab, "node_modules", "left-out"), { recursive: true });
  writeFileSync(join(lab, "a file's name"), noise(50_000));
  writeFileSync(join(lab, "program"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(lab, "untracked"), "not named");
  writeFileSync(join(lab, "node_modules", "left-out", "file"), "excluded");

  const out = join(top, "out");
  // of a longer pack before: it would be joined to the new parts
  mkdirSync(out);
  writeFileSync(join(out, "cuda.tar.xz.002"), "old");
  const parts = await packItems(
    [
      {
        name: "lab",
        folder: lab,
        members: ["a file's name", "program", "node_modules"],
        without: ["node_modules/left-out"],
        into: "lab",
      },
      { name: "cuda", folder: small, into: "lab/data/cache/engines/cuda" },
    ],
    out,
    16_000,
    'echo "done in $to"\n',
  );
  // 50,000 numbers in four parts; of 420,000 of kernels 20,000 are left, in two
  expect(parts.map(({ file }) => file)).toEqual([
    ...[0, 1, 2, 3].map((i) => `lab.tar.xz.00${i}`),
    ...[0, 1].map((i) => `cuda.tar.xz.00${i}`),
  ]);
  for (const { file, bytes } of parts) {
    expect(bytes).toBeLessThanOrEqual(16_000);
    expect(statSync(join(out, file)).size).toBe(bytes);
  }

  const target = join(top, "target");
  const text = execFileSync("sh", [join(out, "unpack.sh"), target], { encoding: "utf8" });
  expect(text).toBe(`done in ${target}\n`);
  expect(contents(join(target, "lab", "data", "cache", "engines", "cuda"))).toEqual(contents(small));
  expect(Object.keys(contents(join(target, "lab"))).filter((name) => !name.startsWith("data"))).toEqual([
    "a file's name",
    "program",
  ]);
  expect(readFileSync(join(target, "lab", "a file's name")).equals(noise(50_000))).toBe(true);
  expect(statSync(join(target, "lab", "program")).mode & 0o777).toBe(0o755);

  // a part that was damaged on its way is found before anything is laid out
  const damaged = join(out, "cuda.tar.xz.001");
  writeFileSync(damaged, Buffer.concat([readFileSync(damaged).subarray(1), Buffer.from("x")]));
  const again = join(top, "again");
  expect(() => execFileSync("sh", [join(out, "unpack.sh"), again], { stdio: "pipe" })).toThrow(
    /a part is missing or damaged: copy it again/,
  );
  expect(readdirSync(again)).toEqual([]);
});

test("a provider without kernels for the GPU is refused by name", () => {
  expect(() => copyForGpu(engine, join(top, "other"), 120, () => {})).toThrow(
    /libonnxruntime_providers_cuda\.so: no kernels for compute capability 12; name the GPU's own with --arch/,
  );
});

test("a checkout without one of its packages is not packed", () => {
  // as npm 10 says it
  const said = [
    "npm error code ELSPROBLEMS",
    "npm error missing: fast-png@6.4.0, required by s2mllm-lab@0.1.0",
    "npm error A complete log of this run can be found in: a file",
  ];
  expect(() => requirePackages(said.join("\n"))).toThrow(
    "gpu pack: not installed as package.json asks: fast-png@6.4.0; npm ci, then pack again",
  );
  expect(() => requirePackages("npm warn something else")).not.toThrow();
});

test("a checkout that differs from its commit is not packed, and the files are named", () => {
  expect(() => requireCommitted("")).not.toThrow();
  expect(() => requireCommitted(" M lib/model/s2mllm.ts\n?? lib/model/mine.ts\n D README.md\n")).toThrow(
    /not as the last commit has them: lib\/model\/s2mllm\.ts, lib\/model\/mine\.ts, README\.md; .*git stash/,
  );
  const many = Array.from({ length: 8 }, (_, i) => `?? notes/${i}.md\n`).join("");
  expect(() => requireCommitted(many)).toThrow("notes/3.md, notes/4.md and 3 more");
});
