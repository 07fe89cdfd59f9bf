import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

/** Names of the files that ONNX Runtime's start leaves in the home and temporary folders. */
function leftBehind(optOut: Readonly<Record<string, string>>): string[] {
  const folder = mkdtempSync(join(tmpdir(), "ort-start-"));
  try {
    // ONNX Runtime reports nothing where it sees a CI or a test
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CI|VITEST|NODE_ENV)/.test(name)));
    const module = pathToFileURL(join(__dirname, "..", "..", "runtime", "c-api.ts")).href;
    const loader = pathToFileURL(createRequire(__filename).resolve("tsx")).href;
    const code = `import(${JSON.stringify(module)}).then((m) => new (m.default ?? m).CApi(1))`;
    const { status, stderr } = spawnSync(process.execPath, ["--import", loader, "--eval", code], {
      encoding: "utf8",
      env: { ...env, HOME: folder, TMPDIR: folder, XDG_CACHE_HOME: "", TSX_DISABLE_CACHE: "1", ...optOut },
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    return (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /mat-debug|onnxruntime/.test(name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("ONNX Runtime reports nothing to anybody, and keeps no identifier, unless it is asked to", () => {
  expect(leftBehind({})).toEqual([]);
  // what would be there: the check above can fail
  if (process.platform === "linux") expect(leftBehind({ ORT_DISABLE_TELEMETRY: "0" })).not.toEqual([]);
});
