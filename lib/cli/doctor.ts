import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { relative } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { findTorch } from "../bench/engines";
import { resolveConfig } from "../config/resolve";
import { findChromium, findProgram } from "../core/programs";
import { inEither, inPackage, inProject, projectRoot } from "../core/root";
import type { EngineChoice } from "../engine/choose";
import { kernelName } from "../notebook/kernelspec";
import { checkpointFolders } from "../weights/pretrained";
import { parseOptions } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "doctor",
  about:
    "Says what this machine offers: Node, engine and why not the others, browser, Jupyter, PyTorch, data, " +
    "pretrained weights.",
  options: { json: { type: Boolean, help: "print one JSON document" } },
} as const;

/** One thing looked at. `hint` says what to do when it is missing. */
interface Finding {
  readonly found: boolean;
  readonly detail: string;
  readonly hint?: string;
}

const firstLine = (text: string): string => text.split("\n")[0]!;

/** First line that `program --version` prints, or why it printed none. */
async function versionOf(program: string, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, { timeout: 20_000 });
    return firstLine(stdout.trim() || stderr.trim());
  } catch (error) {
    return `does not start: ${firstLine((error as Error).message)}`;
  }
}

const Package = z.looseObject({ engines: z.looseObject({ node: z.string() }) });

function node(): Finding {
  const { engines } = Package.parse(JSON.parse(readFileSync(inPackage("package.json"), "utf8")));
  return { found: true, detail: `${process.version} (the project needs ${engines.node})` };
}

function machine(): Finding {
  const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  return {
    found: true,
    detail:
      `${process.platform} ${process.arch}, ${availableParallelism()} cores (${model}), ` +
      `${gigabytes(totalmem())} memory, ${gigabytes(freemem())} free`,
  };
}

async function engine(): Promise<Finding & Partial<EngineChoice>> {
  try {
    const { ENGINE_LIMITS, ENGINES, chooseEngine } = await import("../engine/choose");
    const choice = await chooseEngine();
    const tried = new Set([choice.engine, ...choice.rejected.map((r) => r.engine)]);
    const others = ENGINES.filter((name) => !tried.has(name)).map((name) => ({
      engine: name,
      why: `not tried, ${choice.engine} starts`,
    }));
    const rejected = [...choice.rejected, ...others];
    const not = rejected.map((r) => `${r.engine} (${r.why})`).join(", ");
    const limits = ENGINE_LIMITS[choice.engine];
    const chosen = `${choice.engine} (${choice.why}${limits === undefined ? "" : `; ${limits}`})`;
    return { found: true, detail: `${chosen}; not ${not}`, ...choice, rejected };
  } catch (error) {
    return { found: false, detail: (error as Error).message };
  }
}

/** Which GPU is here, and the one step that puts it to use. */
async function gpu(): Promise<Finding> {
  const [{ describeGpus, mend }, { nvidiaGpus }] = [
    await import("../engine/install/list"),
    await import("../engine/nvidia"),
  ];
  const hint = mend("ort-cuda");
  return { found: nvidiaGpus().length > 0, detail: describeGpus(), ...(hint === undefined ? {} : { hint }) };
}

async function chromium(): Promise<Finding> {
  const path = findChromium();
  if (path === undefined) {
    return {
      found: false,
      detail: "no Chromium or Chrome",
      hint: "figures are written as JSON and HTML without it; install chromium, or name one in S2_CHROMIUM",
    };
  }
  return { found: true, detail: `${path}, ${await versionOf(path, "--version")}` };
}

const KernelSpecs = z.looseObject({
  kernelspecs: z.record(z.string(), z.looseObject({ resource_dir: z.string() })),
});

async function jupyter(): Promise<Finding> {
  const path = findProgram(["jupyter"]);
  if (path === undefined) {
    return {
      found: false,
      detail: "no jupyter",
      hint:
        "notebooks still run headless; to open them install Jupyter (apt-get install jupyter-notebook, or " +
        "pip install jupyterlab)",
    };
  }
  let kernels: string;
  try {
    kernels = (await promisify(execFile)(path, ["kernelspec", "list", "--json"], { timeout: 20_000 })).stdout;
  } catch (error) {
    return { found: false, detail: `${path} does not start: ${firstLine((error as Error).message)}` };
  }
  const spec = KernelSpecs.parse(JSON.parse(kernels)).kernelspecs[kernelName];
  return spec === undefined
    ? { found: true, detail: `${path}, without the kernel "${kernelName}"`, hint: "s2mllm kernel install registers it" }
    : { found: true, detail: `${path}, kernel "${kernelName}" in ${spec.resource_dir}` };
}

function torch(): Finding {
  try {
    const { python, version, cuda } = findTorch();
    return {
      found: true,
      detail: `PyTorch ${version} in ${python}${cuda ? ", with CUDA" : ""}; bench compares the engines with it`,
    };
  } catch (error) {
    const [detail, hint] = (error as Error).message.split("; ");
    return { found: false, detail: detail!, hint: `only bench uses it: ${hint}` };
  }
}

/** Scene folders below `folder`, in it or one level down. */
function countScenes(folder: string): number {
  const scenes = (at: string): number =>
    readdirSync(at, { withFileTypes: true }).reduce(
      (n, entry) => n + (/^scene\d{4}_\d{2}$/.test(entry.name) ? 1 : 0),
      0,
    );
  return (
    scenes(folder) +
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("scene"))
      .reduce((n, entry) => n + scenes(`${folder}/${entry.name}`), 0)
  );
}

function data(preset: string, hint: string): Finding {
  const { folder } = resolveConfig({ preset }).data;
  const path = inProject(folder);
  if (!existsSync(path)) return { found: false, detail: `${folder} is not there`, hint };
  const scenes = countScenes(path);
  return scenes === 0
    ? { found: false, detail: `${folder} holds no scene`, hint }
    : { found: true, detail: `${folder}, ${scenes} scenes` };
}

function pretrained(): Finding {
  const folder = "data/pretrained/nano";
  const files = existsSync(inEither(folder))
    ? readdirSync(inEither(folder)).filter((name) => name.endsWith(".safetensors"))
    : [];
  return files.length === 0
    ? { found: false, detail: `${folder} holds no weights`, hint: "s2mllm pretrain makes them" }
    : { found: true, detail: `${folder}: ${files.join(", ")}` };
}

function weights(preset: string): Finding {
  const folders = checkpointFolders(preset);
  return folders.length === 0
    ? {
        found: false,
        detail: `no published checkpoint in data/pretrained/${preset}`,
        hint: "real weights are optional; data/README.md says what goes there, s2mllm convert checks it",
      }
    : { found: true, detail: folders.map((folder) => relative(projectRoot(), folder)).join(", ") };
}

export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  const findings: Record<string, Finding> = {
    node: node(),
    machine: machine(),
    engine: await engine(),
    gpu: await gpu(),
    chromium: await chromium(),
    jupyter: await jupyter(),
    torch: torch(),
    rooms: data("nano", "s2mllm data make writes it (npm start does so by itself)"),
    scannet: data("llava-video-7b", "real data is optional; data/README.md says where each set goes"),
    pretrained: pretrained(),
    weights: weights("llava-video-7b"),
  };
  // all else can be done without; no engine is a failure
  const status = findings.engine!.found ? 0 : 1;
  if (values.json === true) {
    printJson(findings);
    return status;
  }
  const width = Math.max(...Object.keys(findings).map((name) => name.length)) + 2;
  printLines(
    Object.entries(findings).flatMap(([name, { found, detail, hint }]) => [
      `${found ? "ok " : "-- "} ${name.padEnd(width)}${detail}`,
      ...(hint === undefined ? [] : [`${" ".repeat(width + 4)}${hint}`]),
    ]),
  );
  return status;
}
