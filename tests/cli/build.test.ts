import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { inProject } from "../../lib/core/root";
import type { Notebook } from "../../lib/notebook/document";
import { typeCheck } from "../../lib/notebook/type-check";
import { publish } from "../model/published";
import { projectFiles } from "../setup/project-files";

let top: string;
/** A folder outside of the checkout that has both packages installed; dependencies are linked, not fetched. */
let app: string;
let packed: string[];
let before: string[];

function run(program: string, args: readonly string[], cwd: string): { stdout: string; stderr: string } {
  // what counts coverage or finds sources in the checkout has no say in an installed package
  const env = { ...process.env, TSX_TSCONFIG_PATH: undefined, S2_ENGINE_THREADS: "1", S2_CHROMIUM: "none" };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: 900_000, env });
  expect(status, `${args.join(" ")}\n${stdout}\n${stderr}`).toBe(0);
  return { stdout, stderr };
}

const packages = (): string[] =>
  ["s2mllm-lab", "tfjs-backend-ort"].flatMap((name) =>
    (readdirSync(join(app, "node_modules", name), { recursive: true }) as string[]).map((file) => `${name}/${file}`),
  );

/** The ts blocks of a page, in their order. */
const blocksOf = (page: string): string[] =>
  [...readFileSync(inProject(page), "utf8").matchAll(/```ts\n([^`]*(?:`[^`]+`[^`]*)*?)```/g)].map((match) => match[1]!);
const [cell, train, draw, answer] = blocksOf("README.md");
const [backend] = blocksOf("lib/engine/ort/README.md");
const programs = { train, draw, answer, backend } as Readonly<Record<string, string>>;

/** Runs a program of a README as plain JavaScript in the folder outside. */
function runProgram(name: string, ...args: string[]): string {
  const { outputText } = ts.transpileModule(programs[name]!, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  writeFileSync(join(app, `${name}.mjs`), outputText);
  return run(process.execPath, [`${name}.mjs`, ...args], app).stdout;
}

const rooms = ["trainRooms=2", "testRooms=1", "trainSentences=6", "testSentences=6", "frames=6", "layouts=4"];
const tiny = [
  "data.frames=2",
  "data.pool=4",
  "training.steps=4",
  "training.scenes=2",
  "training.sentences=3",
  "language.layers=1",
  "lora.fullLayers=1",
];

beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "s2-package-"));
  // built in a copy: other tests of this moment build the backend in the checkout
  const copy = join(top, "checkout");
  const wanted = /^(lib\/|data\/(cards\/|pretrained\/|README)|package\.json|tsconfig\.json|README\.md|LICENSE|\.npmrc)/;
  for (const path of projectFiles().filter((file) => wanted.test(file)))
    cpSync(inProject(path), join(copy, path), { recursive: true });
  symlinkSync(inProject("node_modules"), join(copy, "node_modules"));
  run("npm", ["pack", "--silent", "--pack-destination", top], copy);
  run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", top, "-w", "tfjs-backend-ort"], copy);

  app = join(top, "app");
  mkdirSync(join(app, "node_modules"), { recursive: true });
  const own = ["s2mllm-lab", "tfjs-backend-ort"];
  for (const name of readdirSync(inProject("node_modules")))
    if (!own.includes(name)) symlinkSync(inProject("node_modules", name), join(app, "node_modules", name));
  for (const name of own) {
    mkdirSync(join(app, "node_modules", name));
    const tarball = join(top, `${name}-0.1.0.tgz`);
    run("tar", ["-xzf", tarball, "-C", join(app, "node_modules", name), "--strip-components=1"], top);
    if (name === "s2mllm-lab") packed = run("tar", ["-tzf", tarball], top).stdout.trim().split("\n");
  }
  before = packages();
}, 900_000);
afterAll(() => rmSync(top, { recursive: true }));

test("the package holds JavaScript, type declarations, and what the programs read", () => {
  expect(packed.filter((file) => /(?<!\.d)\.ts$|\.map$|\/tests\//.test(file))).toEqual([]);
  for (const file of [
    "dist/index.js",
    "dist/index.d.ts",
    "dist/cli/main.js",
    "dist/report/base.css",
    "dist/report/explorer/style.css",
    "lib/bench/pytorch/torch_worker.py",
    "data/README.md",
    "data/cards/scannet.md",
    "data/pretrained/nano/vision.safetensors",
  ])
    expect(packed).toContain(`package/${file}`);
});

test("the READMEs' programs have fewer than 40 lines, and fit the packages' type declarations", {
  timeout: 300_000,
}, () => {
  for (const [name, text] of Object.entries(programs)) {
    expect(text.split("\n").length, name).toBeLessThan(40);
    writeFileSync(join(app, `${name}.mts`), text);
  }
  const settings = {
    compilerOptions: {
      module: "NodeNext",
      strict: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: true,
      noEmit: true,
    },
    include: ["*.mts"],
  };
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify(settings));
  const tsc = inProject("node_modules", "typescript", "bin", "tsc");
  expect(run(process.execPath, [tsc, "-p", ".", "--pretty", "false"], app).stdout).toBe("");
});

test("the command line makes rooms under the working directory", { timeout: 300_000 }, () => {
  const { bin } = JSON.parse(readFileSync(join(app, "node_modules", "s2mllm-lab", "package.json"), "utf8")) as {
    bin: { s2mllm: string };
  };
  const s2mllm = join("node_modules", "s2mllm-lab", bin.s2mllm);
  const sets = rooms.flatMap((change) => ["--set", change]);
  expect(run(process.execPath, [s2mllm, "data", "make", ...sets], app).stdout).toContain("2 training rooms");
  expect(existsSync(join(app, "data", "rooms", "nano", "rooms.json"))).toBe(true);
  expect(run(process.execPath, [s2mllm, "data", "card", "scannet"], app).stdout).toContain("ScanNet");
});

test("train nano and answer a sentence", { timeout: 900_000 }, () => {
  const out = runProgram("train", ...tiny);
  expect(out).toMatch(
    /^step 0: loss \d+\.\d+\nstep 1: loss \d+\.\d+\nstep 2: loss \d+\.\d+\nrun [0-9a-f]{12}: \d+ s on \S+\n/,
  );
  expect(out).toMatch(/\nscene\d{4}_00, ".+": .+\nbox( -?\d+\.\d\d){6}\n$/);
  expect(readdirSync(join(app, "data", "runs")).length).toBeGreaterThan(0);
});

const testScene = (): string => readFileSync(join(app, "data/rooms/nano/scannetv2_val.txt"), "utf8").trim();

test("read a ScanNet folder and draw it", { timeout: 300_000 }, () => {
  const out = runProgram("draw", "data/rooms/nano", testScene());
  expect(out).toMatch(/^[a-z ]+( -?\d+\.\d\d){6}\n/);
  expect(out.match(/^frame \d+: up to \d\.\d\d m$/gm)?.length).toBe(8);
  const page = /^(.*scene-.*\.html)$/m.exec(out)![1]!;
  expect(page.startsWith(realpathSync(app))).toBe(true);
  expect(readFileSync(page, "utf8")).toContain("scatter3d");
});

test("load published weights and answer", { timeout: 900_000 }, () => {
  const set = [...tiny, "language.init=huggingface"];
  publish(join(app, "published"), resolveConfig({ preset: "nano", set }));
  const folders = ["published/llava", "published/fast3r"];
  const args = [...set, `checkpoints=${JSON.stringify(folders)}`];
  const out = runProgram("answer", "nano", testScene(), "the chair closest to the red table", ...args);
  expect(out).toMatch(/^box \d+ of \d+ \((gt|detector)\), score -?\d\.\d{3}:( -?\d+(\.\d+)?){6}\n$/);
});

test("use the backend with plain tfjs", { timeout: 300_000 }, () => {
  expect(runProgram("backend")).toMatch(/^Float32Array\(8\) \[/);
});

test("nothing was written into the packages", () => {
  expect(packages()).toEqual(before);
});

test("the README's cell fits the lab's types, and shows finished rows", { timeout: 300_000 }, () => {
  const source = cell!.replace('"./lib"', JSON.stringify(inProject("lib")));
  const notebook = { cells: [{ cell_type: "code" as const, source: cell!, metadata: {} }], metadata: {}, nbformat: 4 };
  expect(typeCheck(new Map([["readme", { ...notebook, nbformat_minor: 5 } as Notebook]]))).toEqual([]);
  const file = join(top, "cell.ts");
  writeFileSync(file, source);
  const loader = ["--import", pathToFileURL(createRequire(__filename).resolve("tsx")).href];
  const { stdout } = spawnSync(process.execPath, [...loader, file], { encoding: "utf8", timeout: 240_000 });
  expect(stdout).toContain("no-mpe");
});
