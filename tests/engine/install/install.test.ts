import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import AdmZip from "adm-zip";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { installEngine } from "../../../lib/engine/install/install";
import { prove } from "../../../lib/engine/install/prove";
import { completeTensorflow } from "../../../lib/engine/install/tensorflow";
import { unpack } from "../../../lib/engine/install/unpack";

const top = mkdtempSync(join(tmpdir(), "s2-install-"));
afterAll(() => rmSync(top, { recursive: true }));
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

test("members that are wanted are written with their permissions, the others are not", async () => {
  const zip = new AdmZip();
  zip.addFile("nvidia/cuda_nvcc/bin/ptxas", Buffer.from("program"), "", 0o755);
  zip.addFile("nvidia/cublas/lib/libcublas.so.13", Buffer.alloc(300_000, "code"), "", 0o644);
  zip.addFile("nvidia/cublas/include/cublas.h", Buffer.from("header"), "", 0o644);
  const archive = join(top, "a.whl");
  zip.writeZip(archive);
  const folder = join(top, "unpacked");
  expect(await unpack(archive, folder, (name) => !name.endsWith(".h"))).toBe(300_007);
  expect(readFileSync(join(folder, "nvidia/cublas/lib/libcublas.so.13")).length).toBe(300_000);
  expect(statSync(join(folder, "nvidia/cuda_nvcc/bin/ptxas")).mode & 0o777).toBe(0o755);
  expect(statSync(join(folder, "nvidia/cublas/lib/libcublas.so.13")).mode & 0o777).toBe(0o644);
  expect(existsSync(join(folder, "nvidia/cublas/include"))).toBe(false);
});

test("without a compiler nothing is fetched, and what to do is said", async () => {
  vi.stubEnv("CXX", "no-such-compiler");
  await expect(completeTensorflow(top, () => {})).rejects.toThrow(
    "no C++ compiler named no-such-compiler (CXX); install one (Debian: apt-get install g++) or name it in CXX",
  );
});

test("another system than the libraries' is told so", async () => {
  vi.spyOn(process, "platform", "get").mockReturnValue("darwin");
  await expect(installEngine("tensorflow", { cpu: true, say: () => {} })).rejects.toThrow(
    /^engine install tensorflow: its libraries are made for linux x64, this machine is darwin /,
  );
  vi.restoreAllMocks();
});

test("an engine proves itself by a training beside ort-cpu's", async () => {
  expect(await prove("wasm", "cpu")).toBeLessThan(1e-5);
}, 120_000);
