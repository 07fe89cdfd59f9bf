import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const own = dirname(__dirname);
let top: string;
let files: string[];

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: 500_000 });
  expect({ status, stderr: stderr.replaceAll(/^npm (warn|notice).*\n/gm, "") }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

/** The folder of an installed package. */
function installed(name: string): string {
  const require = createRequire(join(own, "package.json"));
  return require.resolve
    .paths(name)!
    .map((folder) => join(folder, name))
    .find((folder) => existsSync(folder))!;
}

// packed as npm packs it, and unpacked where no file of this project lies above; dependencies are linked, not fetched
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "ort-package-"));
  run("npm", ["pack", "--silent", "--pack-destination", top], own);
  const { name, version, dependencies } = JSON.parse(readFileSync(join(own, "package.json"), "utf8")) as {
    name: string;
    version: string;
    dependencies: Record<string, string>;
  };
  const place = join(top, "node_modules", name);
  mkdirSync(place, { recursive: true });
  const tarball = join(top, `${name}-${version}.tgz`);
  files = run("tar", ["-tzf", tarball], top).trim().split("\n");
  run("tar", ["-xzf", tarball, "-C", place, "--strip-components=1"], top);
  for (const dependency of Object.keys(dependencies)) {
    const link = join(top, "node_modules", dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(installed(dependency), link);
  }
}, 600_000);
afterAll(() => rmSync(top, { recursive: true }));

it("packs JavaScript and type declarations alone", () => {
  const other = files.filter((file) => !/^package\/(dist\/.*\.(js|d\.ts)|package\.json|README\.md)$/.test(file));
  expect(other).toEqual([]);
  for (const file of ["dist/index.js", "dist/index.d.ts", "dist/ops/index.js", "dist/runtime/trial.js"])
    expect(files).toContain(`package/${file}`);
});

it("the README's program runs with plain node, and learns its weights", () => {
  const readme = readFileSync(join(top, "node_modules", "tfjs-backend-ort", "README.md"), "utf8");
  const source = /```ts\n([^`]*)```/.exec(readme)![1]!;
  writeFileSync(
    join(top, "program.mjs"),
    source.replace("console.log(w.dataSync())", "console.log(JSON.stringify(Array.from(w.dataSync())))"),
  );
  const weights = JSON.parse(run(process.execPath, ["program.mjs"], top)) as number[];
  expect(weights.length).toBe(8);
  // y is the sum of x: the least squares are at 1
  for (const w of weights) expect(Math.abs(w - 1)).toBeLessThan(0.01);
}, 120_000);

it("tries a provider in a process of its own from there", () => {
  const source =
    'require("tfjs-backend-ort").probe({ engine: "ort-cpu", precision: "float32" }).then(() => console.log("right"));';
  expect(run(process.execPath, ["-e", source], top)).toBe("right\n");
}, 120_000);

it("loads no native library for its operations", () => {
  const source =
    'require("tfjs-backend-ort/ops");' +
    'console.log(Object.keys(require.cache).filter((f) => f.endsWith(".node")).length);';
  expect(run(process.execPath, ["-e", source], top)).toBe("0\n");
}, 120_000);
