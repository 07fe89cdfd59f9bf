import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const inProject = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

// children that tests start read the project's tsconfig.json, whatever their folder: its paths lead to the backend's
// sources
process.env.TSX_TSCONFIG_PATH = inProject("tsconfig.json");

export default defineConfig({
  root: inProject(""),
  resolve: {
    alias: [
      { find: /^tfjs-backend-ort$/, replacement: inProject("lib/engine/ort/index.ts") },
      { find: /^tfjs-backend-ort\/ops$/, replacement: inProject("lib/engine/ort/ops/index.ts") },
    ],
  },
  test: {
    include: ["tests/**/*.test.ts", "lib/engine/ort/tests/**/*.test.ts"],
    // engines keep process-wide state (backends, thread pools): a process for each file
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", inProject("tests/setup/totals.ts")],
  },
});
