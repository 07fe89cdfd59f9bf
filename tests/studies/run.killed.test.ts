import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loaderOf } from "../../lib/core/child";
import { findProgram } from "../../lib/core/programs";
import { inProject, moduleFile } from "../../lib/core/root";
import type { ResultRow } from "../../lib/runs/row";
import { leastToCompile, type TinyWorld, tinyWorld } from "../setup/tiny-world";

let world: TinyWorld;
let results: string;
beforeAll(async () => {
  world = await tinyWorld(505, { trainRooms: 2 });
  // prepared once: both studies read the same scenes
  await world.session(world.config(small));
  results = mkdtempSync(join(tmpdir(), "s2-killed-"));
}, 300_000);
afterAll(() => {
  world.remove();
  rmSync(results, { recursive: true });
});

const small = [...leastToCompile, "training.steps=40"];

/** Arguments of node for the study as a user starts it; one process a run, one after the other. */
function study(...more: string[]): string[] {
  const main = moduleFile("cli", "main");
  const set = [...world.set, ...small].flatMap((text) => ["--set", text]);
  const args = ["study", "table5", "--variants", "full,no-attn", "--processes", "1", "--json", ...set, ...more];
  return [...loaderOf(main), main, ...args];
}

/** What a process of the study called `name` finds: a results folder of its own. */
const environment = (name: string): NodeJS.ProcessEnv => ({
  ...process.env,
  S2_RESULTS: join(results, name),
  NODE_V8_COVERAGE: undefined,
});

function start(name: string, ...more: string[]): ChildProcess {
  return spawn(process.execPath, study(...more), {
    cwd: inProject(),
    env: environment(name),
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** The rows that the study prints at its end, without how long it took. */
async function rowsOf(child: ChildProcess): Promise<Omit<ResultRow, "seconds">[]> {
  let out = "";
  child.stdout!.on("data", (text) => (out += String(text)));
  const [status] = (await once(child, "exit")) as [number];
  expect(status).toBe(0);
  const { rows } = JSON.parse(out) as { rows: ResultRow[] };
  return rows.map(({ seconds: _, ...row }) => row);
}

/** Files of all runs by their last name. */
const there = (name: string): string[] => {
  const folder = join(results, name, "runs");
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
};
const lines = (name: string): number =>
  there(name)
    .filter((file) => file.endsWith("metrics.jsonl"))
    .reduce((n, file) => n + readFileSync(join(results, name, "runs", file), "utf8").split("\n").length - 1, 0);

let alone: Omit<ResultRow, "seconds">[];

test("a study that is killed three times and started again ends with the rows of one that was left alone", async () => {
  alone = await rowsOf(start("alone"));
  expect(alone).toHaveLength(4);
  const stages = [
    // in the first training, with its answers being written, in the second training
    () => lines("killed") >= 2,
    () => there("killed").some((file) => file.endsWith(".safetensors")),
    () => lines("killed") >= 5,
  ];
  for (const reached of stages) {
    const child = start("killed");
    while (!reached() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  expect(await rowsOf(start("killed"))).toEqual(alone);
}, 900_000);

test("a study whose parts are run by two tasks of a job array ends with the same rows", async () => {
  const parts = await Promise.all([rowsOf(start("parts", "--part", "1/2")), rowsOf(start("parts", "--part", "2/2"))]);
  // each knows its own run, or the other's too where that was done first
  for (const rows of parts) expect(rows.length).toBeGreaterThanOrEqual(2);
  expect(await rowsOf(start("parts"))).toEqual(alone);
}, 900_000);

const slurm = findProgram(["slurmctld"]) !== undefined && findProgram(["munged"]) !== undefined;

describe.skipIf(!slurm && process.env.CI !== "true")("on Slurm (left out where it is not installed)", () => {
  let cluster: ChildProcess;
  let folder: string;
  beforeAll(async () => {
    folder = join(results, "cluster");
    cluster = spawn("bash", [inProject("tests", "studies", "slurm-cluster.sh"), folder], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let out = "";
    cluster.stdout!.on("data", (text) => (out += String(text)));
    while (!out.includes("ready")) {
      if (cluster.exitCode !== null) throw new Error(`the cluster ended with status ${cluster.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }, 60_000);
  afterAll(async () => {
    cluster.stdin!.end();
    if (cluster.exitCode === null) await once(cluster, "exit");
  }, 60_000);

  test("a job array over two nodes ends with the same rows, each node with runs of its own", async () => {
    const quoted = [process.execPath, ...study("--part")].map((text) => `'${text}'`).join(" ");
    const script = `echo "$SLURMD_NODENAME" >&2; exec ${quoted} "$SLURM_ARRAY_TASK_ID/2"`;
    const sbatch = spawn(
      "sbatch",
      ["--array=1-2", "--wait", `--output=${folder}/%a.out`, `--error=${folder}/%a.err`, `--wrap=${script}`],
      { cwd: inProject(), env: { ...environment("slurm"), SLURM_CONF: join(folder, "slurm.conf") }, stdio: "inherit" },
    );
    const [status] = (await once(sbatch, "exit")) as [number];
    const said = [1, 2].map((task) => readFileSync(join(folder, `${task}.err`), "utf8"));
    expect(status, said.join("\n")).toBe(0);
    expect(said.map((text) => text.split("\n")[0]).sort()).toEqual(["node1", "node2"]);
    const runs = readdirSync(join(results, "slurm", "runs"));
    expect(runs).toHaveLength(2);
    // nothing is left to do: what the two wrote side by side is whole
    expect(await rowsOf(start("slurm"))).toEqual(alone);
  }, 300_000);
});
