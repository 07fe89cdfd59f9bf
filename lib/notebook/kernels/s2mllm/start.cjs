// Entry point named by kernel.json: plain JavaScript, since nothing is compiled yet. Cells run in the project root,
// whatever folder the notebook lies in, so that they can write `import { lab } from "./lib"`.
"use strict";
const path = require("node:path");
const { existsSync } = require("node:fs");

const root = path.resolve(__dirname, "..", "..", "..", "..");
process.chdir(root);
// tsx reads its paths, which lead to the backend's sources, there; children inherit it
process.env.TSX_TSCONFIG_PATH = path.join(root, "tsconfig.json");
if (!existsSync(path.join(root, "node_modules", "tslab"))) {
  process.stderr.write(`s2mllm kernel: packages are not installed in ${root}; run npm ci there\n`);
  process.exit(1);
}
// before tsx, which would look through its nine megabytes: a sixth of the kernel's start
require("@tslab/typescript-for-tslab");
// tsx compiles lib/ as it is loaded, by require() and by import(): what cells import is then exactly what the command
// line and the tests run
void import("tsx").then(() => {
  require(path.join(root, "lib", "notebook", "kernel", "launch.ts")).launch(process.argv[2]);
});
