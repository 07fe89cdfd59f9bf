import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { z } from "zod";
import { UserError } from "../../core/errors";
import { findProgram } from "../../core/programs";
import { inPackage } from "../../core/root";
import { finishes, lastLine } from "./process";

export const PACKAGE = "@tensorflow/tfjs-node-gpu";

/** The version that package.json names. */
function packageVersion(): string {
  const { optionalDependencies } = z
    .object({ optionalDependencies: z.object({ [PACKAGE]: z.string() }) })
    .parse(JSON.parse(readFileSync(inPackage("package.json"), "utf8")));
  return optionalDependencies[PACKAGE];
}

/**
 * The npm package with what it needs, below `folder`. Its own install script, which would fetch a library that is no
 * longer there, is not run. tfjs-core is the lab's: two of them would be two engines.
 */
async function addPackage(folder: string, say: (line: string) => void): Promise<void> {
  const wanted = `${PACKAGE}@${packageVersion()}`;
  say(`fetching ${wanted}`);
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const npm = findProgram(["npm"]);
  if (npm === undefined) throw new UserError("no npm on PATH; it comes with Node (Debian: apt-get install npm)");
  const flags = ["--ignore-scripts", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefer-offline"];
  const { status, text } = await finishes(npm, ["install", ...flags, "--prefix", folder, wanted], { cwd: folder });
  if (status !== 0)
    throw new UserError(
      `npm could not fetch ${wanted} (${lastLine(text)}); on a machine without a network copy ` +
        `data/cache/engines/tensorflow from one where this command has run`,
    );
  // three quarters of the packages' size
  for (const file of readdirSync(join(folder, "node_modules"), { recursive: true, encoding: "utf8" }))
    if (file.endsWith(".map")) rmSync(join(folder, "node_modules", file));
  for (const shared of ["tfjs-core", "tfjs-backend-cpu"])
    rmSync(join(folder, "node_modules", "@tensorflow", shared), { recursive: true, force: true });
}

/** A C++ compiler: CXX, else the usual names. */
function findCompiler(): string {
  const named = process.env.CXX || undefined;
  const compiler = findProgram(named === undefined ? ["g++", "c++", "clang++"] : [named]);
  if (compiler !== undefined) return compiler;
  throw new UserError(
    `no C++ compiler${named === undefined ? " (g++, c++, clang++)" : ` named ${named} (CXX)`}; ` +
      "install one (Debian: apt-get install g++) or name it in CXX",
  );
}

/** Builds the package's binding against TensorFlow's C library of the wheel. */
async function build(folder: string, compiler: string): Promise<void> {
  const home = join(folder, "node_modules", PACKAGE);
  const out = join(home, "lib", "napi-v8");
  const libraries = join(folder, "tensorflow");
  mkdirSync(out, { recursive: true });
  const { status, text } = await finishes(
    compiler,
    [
      ...["-O2", "-shared", "-fPIC", "-std=c++17", "-DNAPI_VERSION=8", "-I."],
      `-I${join(dirname(require.resolve("node-api-headers/package.json")), "include")}`,
      `-I${join(libraries, "include")}`,
      ...["binding/tfjs_backend.cc", "binding/tfjs_binding.cc", `-L${libraries}`],
      ...["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"],
      // found wherever the folder is moved to
      `-Wl,-rpath,$ORIGIN/${relative(out, libraries)}`,
      ...["-o", join(out, "tfjs_binding.node")],
    ],
    { cwd: home },
  );
  if (status !== 0) {
    const why = text.split("\n").find((line) => /error/i.test(line)) ?? lastLine(text);
    throw new UserError(`${compiler} could not build the binding of ${PACKAGE} (${why.trim()}); try another in CXX`);
  }
}

/** Makes the engine of the unpacked wheels in `folder`: adds the npm package, builds its binding, drops the headers. */
export async function completeTensorflow(folder: string, say: (line: string) => void): Promise<void> {
  const compiler = findCompiler();
  await addPackage(folder, say);
  say(`building the binding of ${PACKAGE} with ${compiler}`);
  await build(folder, compiler);
  rmSync(join(folder, "tensorflow", "include"), { recursive: true });
}

/** Loads the package from an engine's folder: its backend registers itself. @throws Error with the loader's message */
export function loadTensorflow(folder: string): void {
  createRequire(join(folder, "package.json"))(PACKAGE);
}
