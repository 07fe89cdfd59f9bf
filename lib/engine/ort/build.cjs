// Compiles the package to JavaScript and type declarations in dist/, which `npm pack` takes.
"use strict";
const { execFileSync } = require("node:child_process");
const { rmSync } = require("node:fs");
const { join } = require("node:path");
const { build } = require("esbuild");

const dist = join(__dirname, "dist");
rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", __dirname], { stdio: "inherit" });

// tfjs-core's gradients and chained operations are ES modules that do not say so, which Node 20 cannot read: they are
// bundled into the file that imports them. They find tfjs' engine and kernels by way of the global scope, as every copy
// of them does.
const entry = join(dist, "tf.js");
const external = {
  name: "external",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^@tensorflow\/tfjs-core$|^\.\/gradients$/ }, ({ path, importer }) =>
      importer === entry ? { path, external: true } : undefined,
    ),
};
void build({
  entryPoints: [entry],
  outfile: entry,
  allowOverwrite: true,
  bundle: true,
  platform: "node",
  target: "node20",
  plugins: [external],
  logLevel: "warning",
});
