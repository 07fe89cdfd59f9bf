import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";

const inProject = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

// children that tests start read the project's tsconfig.json, whatever their folder: its paths lead to the backend's
// sources
process.env.TSX_TSCONFIG_PATH = inProject("tsconfig.json");

const include = ["tests/**/*.test.ts", "lib/engine/ort/tests/**/*.test.ts"];
/** Tests that put another module in place of one of lib's, and the backend's own, which no floor is for. */
const mocking = ["tests/train/training-step.half.test.ts", "lib/engine/ort/tests/**/*.test.ts"];

// Under NODE_V8_COVERAGE lib is loaded by Node and tsx as in the processes that tests start: counts of both then add
// up.
const measured = {
  name: "measured",
  include,
  exclude: [...configDefaults.exclude, ...mocking],
  execArgv: ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href],
  server: { deps: { external: [/\/lib\/(?!engine\/ort\/tests\/).*\.(ts|cjs)$/] } },
  setupFiles: [inProject("tests/setup/coverage.ts")],
};
const projects = [measured, { name: "mocking", include: mocking }].map((test) => ({ extends: true as const, test }));

export default defineConfig({
  root: inProject(""),
  resolve: {
    alias: [
      { find: /^tfjs-backend-ort$/, replacement: inProject("lib/engine/ort/index.ts") },
      { find: /^tfjs-backend-ort\/ops$/, replacement: inProject("lib/engine/ort/ops/index.ts") },
    ],
  },
  test: {
    // engines keep process-wide state (backends, thread pools): a process for each file
    pool: "forks",
    maxWorkers: 2,
    // ends what hangs; a slow machine needs a minute for what takes ten seconds here
    testTimeout: 180_000,
    hookTimeout: 180_000,
    reporters: ["default", inProject("tests/setup/totals.ts")],
    ...(process.env.NODE_V8_COVERAGE === undefined ? { include } : { projects }),
  },
});
