import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { fetchWheels } from "../../../lib/engine/install/fetch";
import { RECIPES, type Wheel } from "../../../lib/engine/install/wheels";

const top = mkdtempSync(join(tmpdir(), "s2-wheels-"));
afterAll(() => rmSync(top, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const content = Buffer.from("a wheel's bytes");
const wheel = (file: string): Wheel => ({
  file,
  bytes: content.length,
  sha256: createHash("sha256").update(content).digest("hex"),
});
const WANTED = [
  wheel("onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
  wheel("nvidia_cublas-13.10.0.20-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl"),
];

let folders = 0;
/** A folder with files of these names. */
function given(files: Record<string, Uint8Array>): string {
  const folder = join(top, String(folders++));
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return folder;
}
const both = Object.fromEntries(WANTED.map(({ file }) => [file, content]));
const take = (from: readonly string[]): Promise<string[]> => fetchWheels(WANTED, from, join(top, "pip"), () => {});

describe("wheels that the user names", () => {
  test("are taken one by one, or from a folder with others", async () => {
    const folder = given({ ...both, "numpy-2.0.0-cp311-cp311-manylinux_2_28_x86_64.whl": content });
    const paths = WANTED.map(({ file }) => join(folder, file));
    expect(await take([folder])).toEqual(paths);
    expect(await take([...paths].reverse())).toEqual(paths);
  });

  test("that broke off, or were altered, are refused with what to do", async () => {
    const cut = given({ ...both, [WANTED[0]!.file]: content.subarray(0, 5) });
    await expect(take([cut])).rejects.toThrow(
      /\.whl: 5 of 15 bytes, a download that broke off; fetch it again: pip download .* onnxruntime_gpu==1\.30\.0$/,
    );
    const altered = given({ ...both, [WANTED[1]!.file]: Buffer.from("a wheel's bYtes") });
    await expect(take([altered])).rejects.toThrow(
      /nvidia_cublas.*: its SHA-256 is .*, expected .*: altered or damaged;/,
    );
    const longer = given({ ...both, [WANTED[1]!.file]: Buffer.from("a wheel's bytes and more") });
    await expect(take([longer])).rejects.toThrow(/altered or damaged/);
  });

  test.each([
    ["onnxruntime_gpu-1.31.1-cp311-cp311-manylinux_2_28_x86_64.whl", /: version 1\.31\.1, expected 1\.30\.0; fetch it/],
    ["onnxruntime_gpu-1.30.0-cp311-cp311-win_amd64.whl", /: for win_amd64, expected manylinux_2_28_x86_64; fetch it/],
    ["onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl", /: for cp312-cp312, expected cp311-cp311; fetch/],
    [
      "nvidia_cublas_cu12-12.9.3.13-py3-none-manylinux_2_27_x86_64.whl",
      /: made for another CUDA \(nvidia_cublas_cu12, expected nvidia_cublas\); fetch it with: .*==13\.10\.0\.20$/,
    ],
    ["torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl", /: not among what this engine is made of: onnxruntime_gpu-/],
    ["provider.zip", /: no wheel's name; expected NAME-VERSION-PYTHON-ABI-PLATFORM\.whl/],
  ])("%s is refused by name", async (name, why) => {
    const folder = given({ ...both, [name]: content });
    await expect(take([...WANTED.map(({ file }) => join(folder, file)), join(folder, name)])).rejects.toThrow(why);
  });

  test("must be there, all of them", async () => {
    await expect(take([join(top, "absent.whl")])).rejects.toThrow(`--from ${join(top, "absent.whl")}: no such file`);
    const one = given({ [WANTED[0]!.file]: content });
    await expect(take([one])).rejects.toThrow("--from lacks nvidia_cublas-13.10.0.20-py3-none-");
  });
});

describe("without files", () => {
  /** A Python that answers to --version and does this for a download, whose folder is $d and whose package is $p. */
  function python(download: string): string {
    const path = join(top, `python-${folders++}`);
    const script = [
      "#!/bin/sh",
      'case "$*" in *--version*) exit 0;; esac',
      'while [ $# -gt 1 ]; do [ "$1" = --dest ] && d=$2; shift; done; p=$1',
      download,
    ];
    writeFileSync(path, `${script.join("\n")}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  test("pip fetches each for its own Python and platform, and what came is checked", async () => {
    const names = WANTED.map(({ file }) => `${file.split("-")[0]}==*) f=${file};;`).join(" ");
    vi.stubEnv("S2_PYTHON", python(`case "$p" in ${names} esac; printf "a wheel's bytes" > "$d/$f"`));
    const folder = join(top, "fetched");
    const said: string[] = [];
    expect(await fetchWheels(WANTED, undefined, folder, (line) => said.push(line))).toEqual(
      WANTED.map(({ file }) => join(folder, file)),
    );
    expect(said).toEqual(WANTED.map(({ file }) => `fetching ${file} (0 MB)`));
  });

  test("a download that fails says pip's last word", async () => {
    vi.stubEnv("S2_PYTHON", python('echo "ERROR: no route to host" >&2; exit 1'));
    await expect(fetchWheels(WANTED, undefined, join(top, "pip"), () => {})).rejects.toThrow(
      `pip could not fetch ${WANTED[0]!.file} (ERROR: no route to host); try again, or name the file with --from`,
    );
  });

  test("and without pip the files are named", async () => {
    vi.stubEnv("S2_PYTHON", "/bin/false");
    await expect(fetchWheels(WANTED, undefined, join(top, "pip"), () => {})).rejects.toThrow(
      /^no pip in \/bin\/false \(S2_PYTHON\); .* name them with --from: onnxruntime_gpu-1\.30\.0-.*nvidia_cublas/,
    );
  });
});

test("ONNX Runtime's wheel is of onnxruntime-node's version: their libraries' symbols carry it", () => {
  const { version } = require("onnxruntime-node/package.json") as { version: string };
  expect(RECIPES.cuda.wheels[0]!.file).toMatch(new RegExp(`^onnxruntime_gpu-${version.replaceAll(".", "\\.")}-`));
});
