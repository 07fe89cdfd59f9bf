import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { keepLoaded } from "./libraries";

/** What this machine offers to WebGPU, and in one line why. */
export interface Adapter {
  readonly kind: "hardware" | "software" | "none";
  readonly why: string;
}

/** What is looked at; another machine's in tests. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly list: (folder: string) => string[];
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

export const thisMachine: Machine = { platform: process.platform, environment: process.env, list: filesIn };

/** Drivers that compute on the processor. */
const SOFTWARE = /swiftshader|lvp|lavapipe|llvmpipe|mock/i;

/** The manifests of Vulkan drivers that the Vulkan loader would read. */
function vulkanDrivers({ environment, list }: Machine): string[] {
  const named = environment.VK_DRIVER_FILES ?? environment.VK_ICD_FILENAMES;
  if (named !== undefined && named !== "") return named.split(delimiter);
  const data = (environment.XDG_DATA_DIRS ?? "/usr/local/share:/usr/share").split(delimiter);
  return ["/etc", "/usr/local/etc", ...data]
    .map((top) => join(top, "vulkan", "icd.d"))
    .flatMap((folder) => list(folder).map((name) => join(folder, name)));
}

/** Device files of GPUs: DRM render nodes, NVIDIA's driver, Windows' GPU inside WSL. */
function hasGpu({ list }: Machine): boolean {
  return (
    list("/dev/dri").some((name) => name.startsWith("renderD")) ||
    list("/dev").some((name) => name === "nvidiactl" || name === "dxg")
  );
}

/** What WebGPU would run on. Other systems than Linux bring their GPU's driver along. */
export function findAdapter(machine: Machine = thisMachine): Adapter {
  if (machine.platform !== "linux") return { kind: "hardware", why: `${machine.platform} brings a GPU driver` };
  const drivers = vulkanDrivers(machine);
  const real = drivers.filter((file) => !SOFTWARE.test(file));
  if (real.length > 0 && hasGpu(machine)) return { kind: "hardware", why: `a GPU with a Vulkan driver (${real[0]})` };
  if (hasGpu(machine))
    return {
      kind: drivers.length > 0 ? "software" : "none",
      why: "this machine has a GPU and no Vulkan driver for it; install the vendor's (Mesa or NVIDIA)",
    };
  return drivers.length > 0
    ? { kind: "software", why: "no GPU, only a software driver of Vulkan; S2_ENGINE=ort-webgpu takes it" }
    : { kind: "none", why: "no GPU in this machine" };
}

/**
 * Folders that Chromium or Chrome may be installed in: that of S2_CHROMIUM, those that names on PATH lead to, usual
 * ones.
 */
function chromiumFolders(): string[] {
  const { S2_CHROMIUM: named, PATH = "" } = process.env;
  const onPath = PATH.split(delimiter).flatMap((folder) =>
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map((name) => join(folder, name)),
  );
  const programs = [...(named === undefined || named === "" ? [] : [named]), ...onPath].filter((file) =>
    existsSync(file),
  );
  return [
    ...programs.map((file) => dirname(realpathSync(file))),
    "/usr/lib/chromium",
    "/usr/lib/chromium-browser",
    "/opt/google/chrome",
  ];
}

/** Chromium's own Vulkan: a loader and SwiftShader, a driver that computes on the processor. */
function chromiumVulkan(): { loader: string; manifest: string } | undefined {
  return chromiumFolders()
    .map((folder) => ({ loader: join(folder, "libvulkan.so.1"), manifest: join(folder, "vk_swiftshader_icd.json") }))
    .find(({ loader, manifest }) => existsSync(loader) && existsSync(manifest));
}

/**
 * Lets this process find a Vulkan driver: the machine's own, else the software driver that Chromium brings.
 *
 * @returns false where there is none
 */
export function prepareVulkan(): boolean {
  if (process.platform !== "linux") return true;
  const chromium = chromiumVulkan();
  const loads = (library: string): boolean => keepLoaded(library) === undefined;
  if (!loads("libvulkan.so.1") && (chromium === undefined || !loads(chromium.loader))) return false;
  if (vulkanDrivers(thisMachine).length > 0) return true;
  if (chromium === undefined) return false;
  process.env.VK_ICD_FILENAMES = chromium.manifest;
  return true;
}
