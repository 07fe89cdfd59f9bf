// Entry point named by kernel.json, of both threads: the worker has the sockets, the main thread runs cells. Plain
// JavaScript, since nothing is compiled yet. Cells run in the project root, whatever folder the notebook lies in, so
// that they can write `import { lab } from "./lib"`; sources beside the notebook are found all the same.
"use strict";
const path = require("node:path");
const { existsSync, readFileSync } = require("node:fs");
const { isMainThread, MessageChannel, Worker, workerData } = require("node:worker_threads");

const project = path.resolve(__dirname, "..", "..", "..", "..");
// an installed package has JavaScript alone, and the notebook's folder is then the project
const sources = path.join(project, "lib", "notebook", "kernel");
const compiled = !existsSync(sources);
const kernel = compiled ? path.join(project, "dist", "notebook", "kernel") : sources;

/** This file in the clone of the project that a folder lies in: the installed kernel may be another clone's. */
function startOfClone(folder) {
  const file = path.join(folder, "package.json");
  const start = path.join(folder, "lib", "notebook", "kernels", "s2mllm", "start.cjs");
  if (existsSync(start) && existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "s2mllm-lab")
    return start;
  return path.dirname(folder) === folder ? undefined : startOfClone(path.dirname(folder));
}

function startMain() {
  const folder = process.cwd();
  if (!compiled) {
    process.chdir(project);
    // tsx reads its paths, which lead to the backend's sources, there; children inherit it
    process.env.TSX_TSCONFIG_PATH = path.join(project, "tsconfig.json");
  }
  try {
    require.resolve("tslab/package.json");
  } catch {
    process.stderr.write(`s2mllm kernel: packages are not installed in ${project}; run npm ci there\n`);
    process.exit(1);
  }
  // ports keep what comes before somebody listens, a worker's own does not
  const [main, input] = [new MessageChannel(), new MessageChannel()];
  const state = new Int32Array(new SharedArrayBuffer(4 * 8));
  const worker = new Worker(__filename, {
    workerData: { connectionFile: process.argv[2], main: main.port2, input: input.port2, state },
    transferList: [main.port2, input.port2],
  });
  worker.once("error", (error) => {
    process.stderr.write(`s2mllm kernel: ${error.message}\n`);
    process.exit(1);
  });
  // before tsx, which would look through its nine megabytes: a sixth of the kernel's start
  require("@tslab/typescript-for-tslab");
  // tsx compiles lib/ as it is loaded, by require() and by import(): what cells import is then exactly what the command
  // line and the tests run
  void import("tsx").then(() => {
    require(path.join(kernel, "main")).launch(main.port1, input.port1, state, folder);
  });
}

if (isMainThread) {
  const start = startOfClone(process.cwd());
  if (start === undefined || start === __filename) startMain();
  else require(start);
} else {
  require("tsx/cjs");
  require(path.join(kernel, "server")).launch(workerData);
}
