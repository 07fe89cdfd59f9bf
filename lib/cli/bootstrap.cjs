/**
 * First code of every npm script: checks Node, installs the packages when they are missing or differ from the lock
 * file, then hands over to the command line or the tests. Plain JavaScript that needs no package and that an old Node
 * can still read.
 *
 *     node lib/cli/bootstrap.cjs test [vitest arguments]
 *     node lib/cli/bootstrap.cjs <command> [options]
 */
"use strict";
// no "node:" prefixes: they would stop an old Node before it can be told to update
const { spawn } = require("child_process");
const { existsSync, readFileSync } = require("fs");
const { join } = require("path");
const { pathToFileURL } = require("url");

const root = join(__dirname, "..", "..");

/** Whether version `have` ("20.19.1") is at least `want` ("20.19"). */
function atLeast(have, want) {
  const [h, w] = [have, want].map((text) => text.split(".").map(Number));
  const i = w.findIndex((part, at) => part !== h[at]);
  return i === -1 || h[i] > w[i];
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/**
 * Why the packages have to be installed, or undefined when node_modules is what the lock file asks for. Compared by
 * content, since a fresh checkout gives every file the same age.
 */
function reasonToInstall(folder) {
  const installed = join(folder, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return "no packages are installed yet";
  const have = readJson(installed).packages;
  const want = readJson(join(folder, "package-lock.json")).packages;
  for (const [path, entry] of Object.entries(want)) {
    // an optional package may be missing: it is for another platform, or its own install step failed
    if (path === "" || (entry.optional && have[path] === undefined)) continue;
    const name = path.split("node_modules/").pop();
    if (have[path] === undefined) return `${name} is not installed`;
    if (have[path].version !== entry.version)
      return `${name} is ${have[path].version}, the lock file says ${entry.version}`;
  }
  return undefined;
}

/**
 * Resolves to {code, signal}. This process outlives its child, which gets each signal once, and SIGTERM when whoever
 * started us is gone: npm passes SIGTERM to its shell only, and the shell dies without passing it on.
 */
function wait(child) {
  // Ctrl-C in a terminal reaches the child by itself; passing it on would make it two
  const terminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  const pass = (signal) => {
    if (!(signal === "SIGINT" && terminal)) child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, pass);
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill("SIGTERM");
  }, 500);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  }).finally(() => {
    clearInterval(watch);
    for (const signal of signals) process.removeListener(signal, pass);
  });
}

/** Ends as the child ended. */
function endLike({ code, signal }) {
  if (signal !== null) process.kill(process.pid, signal);
  else process.exit(code);
}

async function install(folder, reason) {
  const say = (text) => process.stderr.write(`${text}\n`);
  say(`${reason}: running npm ci (a minute or two, about 600 MB)`);
  const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  // npm's own file when npm started us; the shell finds npm.cmd on Windows otherwise
  const npm = process.env.npm_execpath;
  const [program, first] = npm !== undefined && /npm-cli\.js$/.test(npm) ? [process.execPath, [npm]] : ["npm", []];
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const ticker = setInterval(() => say(`installing packages: ${seconds()} s`), 10000);
  const child = spawn(program, [...first, ...args], {
    cwd: folder,
    // stdout stays clean for --json
    stdio: ["ignore", 2, 2],
    shell: program === "npm" && process.platform === "win32",
    // onnxruntime-node would fetch its CUDA libraries; .npmrc says the same to the npm versions that listen
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" },
  });
  let end;
  try {
    end = await wait(child);
  } catch (error) {
    say(`npm could not be started (${error.message}); npm comes with Node, check that it is on PATH`);
    process.exit(1);
  } finally {
    clearInterval(ticker);
  }
  if (end.code !== 0) {
    say("npm ci failed; its message is above (is the package registry reachable?). Nothing else was changed.");
    endLike(end);
    return false;
  }
  say(`packages installed in ${seconds()} s`);
  return true;
}

async function main() {
  const wanted = readJson(join(root, "package.json")).engines.node.replace(">=", "");
  if (!atLeast(process.versions.node, wanted)) {
    process.stderr.write(
      `this project needs Node ${wanted} or later, this is ${process.version}; see https://nodejs.org\n`,
    );
    process.exit(1);
  }
  const reason = reasonToInstall(root);
  if (reason !== undefined && !(await install(root, reason))) return;

  const [command, ...rest] = process.argv.slice(2);
  const args =
    command === "test"
      ? [
          join(root, "node_modules", "vitest", "vitest.mjs"),
          "run",
          "--config",
          join(root, "tests", "vitest.config.mts"),
          ...rest,
        ]
      : [
          "--import",
          pathToFileURL(require.resolve("tsx")).href,
          join(root, "lib", "cli", "main.ts"),
          ...process.argv.slice(2),
        ];
  // tsx reads its paths, which lead to the backend's sources, there and not in the user's folder; children inherit it
  const tsconfig = join(root, "tsconfig.json");
  const env = existsSync(tsconfig) ? { ...process.env, TSX_TSCONFIG_PATH: tsconfig } : process.env;
  endLike(await wait(spawn(process.execPath, args, { stdio: "inherit", env })));
}

if (require.main === module) void main();

module.exports = { atLeast, reasonToInstall };
