/**
 * What `npm pack` puts into the package: dist/, JavaScript and type declarations of lib by TypeScript's compiler, and
 * the files beside them that are read as they are.
 */
"use strict";
const { spawnSync } = require("node:child_process");
const { cpSync, rmSync, statSync } = require("node:fs");
const { join } = require("node:path");

const root = join(__dirname, "..", "..");
const [from, to] = [join(root, "lib"), join(root, "dist")];
rmSync(to, { recursive: true, force: true });
cpSync(from, to, {
  recursive: true,
  // the backend is a package of its own
  filter: (path) =>
    path !== join(from, "engine", "ort") && (statSync(path).isDirectory() || /\.(css|html|js)$/.test(path)),
});
const compiler = require.resolve("typescript/bin/tsc", { paths: [root] });
const { status } = spawnSync(process.execPath, [compiler, "-p", from], { stdio: "inherit" });
process.exit(status ?? 1);
