import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { findInstalled, MANIFEST, type Manifest } from "../../../lib/engine/install/installed";
import { RECIPES } from "../../../lib/engine/install/wheels";

const top = mkdtempSync(join(tmpdir(), "s2-installed-"));
afterAll(() => rmSync(top, { recursive: true }));

const manifest: Manifest = {
  recipe: "cuda",
  wheels: RECIPES.cuda.wheels.map(({ file, sha256 }) => ({ file, sha256 })),
  bytes: 1,
  licence: "MIT",
  system: `${process.platform} ${process.arch}`,
};

function folderWith(name: string, content: unknown): string {
  const folder = join(top, name);
  mkdirSync(folder);
  writeFileSync(join(folder, MANIFEST), typeof content === "string" ? content : JSON.stringify(content));
  return folder;
}

test("an engine that is there is found, one that is not is none", () => {
  const folder = folderWith("whole", manifest);
  expect(findInstalled("cuda", folder)).toEqual({ folder, ...manifest });
  expect(findInstalled("cuda", join(top, "absent"))).toBeUndefined();
});

test.each([
  ["of another system", { ...manifest, system: "darwin arm64" }, /is made for darwin arm64, this machine is /],
  [
    "of another version of the lab",
    { ...manifest, wheels: [{ file: "onnxruntime_gpu-1.29.0-cp311-cp311-linux_x86_64.whl", sha256: "0" }] },
    /holds onnxruntime_gpu-1\.29\.0-.*, this lab takes onnxruntime_gpu-1\.30\.0-/,
  ],
  ["damaged", "{", /engine\.json: not what engine install writes/],
  ["of another form", { ...manifest, bytes: "many" }, /engine\.json: not what engine install writes/],
])("one %s is refused with the command", (name, content, why) => {
  const folder = folderWith(name.replaceAll(" ", "-"), content);
  expect(() => findInstalled("cuda", folder)).toThrow(why);
  expect(() => findInstalled("cuda", folder)).toThrow("install it anew: npm run -s s2mllm -- engine install cuda");
});
