import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { atLeast, reasonToInstall } from "../../lib/cli/bootstrap.cjs";
import { inProject } from "../../lib/core/root";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-bootstrap-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(path: string, content: unknown): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
}

test("versions compare by number, part by part", () => {
  expect(atLeast("20.19.0", "20.19")).toBe(true);
  expect(atLeast("20.100.0", "20.19")).toBe(true);
  expect(atLeast("22.1.0", "20.19")).toBe(true);
  expect(atLeast("20.9.9", "20.19")).toBe(false);
  expect(atLeast("18.99.0", "20.19")).toBe(false);
});

describe("reasonToInstall", () => {
  const lock = {
    packages: {
      "": { name: "x" },
      "node_modules/zod": { version: "4.0.0" },
      "node_modules/a/node_modules/@scope/b": { version: "1.0.0" },
      "node_modules/only-on-windows": { version: "1.0.0", optional: true },
    },
  };
  const installed = {
    packages: {
      "node_modules/zod": { version: "4.0.0" },
      "node_modules/a/node_modules/@scope/b": { version: "1.0.0" },
    },
  };

  test("none when all is there; an optional package may be missing", () => {
    put("package-lock.json", lock);
    put("node_modules/.package-lock.json", installed);
    expect(reasonToInstall(folder)).toBeUndefined();
  });

  test("nothing installed", () => {
    put("package-lock.json", lock);
    expect(reasonToInstall(folder)).toBe("no packages are installed yet");
  });

  test("a package that is missing or of another version, optional or not", () => {
    put("package-lock.json", lock);
    put("node_modules/.package-lock.json", { packages: { "node_modules/zod": { version: "4.0.0" } } });
    expect(reasonToInstall(folder)).toBe("@scope/b is not installed");
    put("node_modules/.package-lock.json", { packages: { "node_modules/zod": { version: "3.9.0" } } });
    expect(reasonToInstall(folder)).toBe("zod is 3.9.0, the lock file says 4.0.0");
    put("node_modules/.package-lock.json", {
      packages: { ...installed.packages, "node_modules/only-on-windows": { version: "0.1.0" } },
    });
    expect(reasonToInstall(folder)).toBe("only-on-windows is 0.1.0, the lock file says 1.0.0");
  });
});

/**
 * A project that holds the real wrapper, a main file of the test's own, and an npm that installs nothing but says so.
 */
function fakeProject(main: string, engine = ">=20.19"): void {
  put("package.json", { name: "x", engines: { node: engine } });
  put("package-lock.json", { packages: {} });
  mkdirSync(join(folder, "lib", "cli"), { recursive: true });
  cpSync(inProject("lib", "cli", "bootstrap.cjs"), join(folder, "lib", "cli", "bootstrap.cjs"));
  put("lib/cli/main.ts", main);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(inProject("node_modules", "tsx"), join(folder, "node_modules", "tsx"));
  put(
    "npm-cli.js",
    `const fs = require("fs");
     console.log("npm says hello on stdout");
     if (process.env.NPM_FAILS) process.exit(7);
     const seen = [process.argv.slice(2), process.env.ONNXRUNTIME_NODE_INSTALL];
     fs.writeFileSync("install-arguments.json", JSON.stringify(seen));
     fs.writeFileSync("node_modules/.package-lock.json", '{"packages":{}}');`,
  );
}

function runWrapper(
  args: readonly string[],
  env: Record<string, string> = {},
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(folder, "lib", "cli", "bootstrap.cjs"), ...args], {
    encoding: "utf8",
    env: { ...process.env, npm_execpath: join(folder, "npm-cli.js"), ...env },
  });
}

describe("the wrapper", () => {
  test("installs once, says so on stderr, and leaves stdout to the command", () => {
    fakeProject("process.stdout.write(JSON.stringify(process.argv.slice(2))); process.exit(3);");
    const first = runWrapper(["doctor", "--json"]);
    expect(first).toMatchObject({ status: 3, stdout: '["doctor","--json"]' });
    expect(first.stderr).toMatch(
      /^no packages are installed yet: running npm ci .*\nnpm says hello on stdout\npackages installed in \d+ s\n$/s,
    );
    expect(runWrapper(["doctor"])).toEqual(expect.objectContaining({ status: 3, stdout: '["doctor"]', stderr: "" }));
  });

  test("tells npm to bring everything, and onnxruntime not to fetch CUDA", () => {
    fakeProject('process.stdout.write(require("fs").readFileSync("install-arguments.json", "utf8"));');
    const { stdout } = spawnSync(process.execPath, ["lib/cli/bootstrap.cjs", "x"], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, npm_execpath: join(folder, "npm-cli.js"), NODE_ENV: "production" },
    });
    const [args, onnx] = JSON.parse(stdout) as [string[], string];
    expect(args.slice(0, 3)).toEqual(["ci", "--include=dev", "--include=optional"]);
    expect(onnx).toBe("skip");
  });

  test("a failed install ends with npm's status and runs nothing", () => {
    fakeProject('process.stdout.write("ran");');
    const { status, stdout, stderr } = runWrapper(["doctor"], { NPM_FAILS: "1" });
    expect(status).toBe(7);
    expect(stdout).toBe("");
    expect(stderr).toContain("npm ci failed");
  });

  test("an old Node is refused before anything else", () => {
    fakeProject("", ">=999.0");
    expect(runWrapper(["doctor"])).toMatchObject({
      status: 1,
      stdout: "",
      stderr: `this project needs Node 999.0 or later, this is ${process.version}; see https://nodejs.org\n`,
    });
  });

  test("passes a signal on once and waits for the child to finish its work", async () => {
    fakeProject(`
      let times = 0;
      process.on("SIGINT", () => {
        times++;
        setTimeout(() => { process.stdout.write("saved after " + times); process.exit(130); }, 300);
      });
      process.stdout.write("ready ");
      setInterval(() => {}, 1000);
    `);
    put("node_modules/.package-lock.json", { packages: {} });
    const child = spawn(process.execPath, [join(folder, "lib", "cli", "bootstrap.cjs"), "train"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      if (stdout === "") child.kill("SIGINT");
      stdout += String(chunk);
    });
    const status = await new Promise((resolve) => child.once("close", resolve));
    expect(stdout).toBe("ready saved after 1");
    expect(status).toBe(130);
  });

  test("ends its child when the shell that started it is killed", async () => {
    fakeProject(`
      process.on("SIGTERM", () => { process.stdout.write("told to stop"); process.exit(0); });
      process.stdout.write("ready ");
      setInterval(() => {}, 1000);
    `);
    put("node_modules/.package-lock.json", { packages: {} });
    // the second command keeps the shell from becoming the wrapper
    const shell = spawn("sh", ["-c", '"$0" lib/cli/bootstrap.cjs train; true', process.execPath], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    shell.stdout.on("data", (chunk: Buffer) => {
      if (stdout === "") shell.kill("SIGTERM");
      stdout += String(chunk);
    });
    await new Promise((resolve) => shell.once("close", resolve)); // closes when the last holder of the pipe is gone
    expect(stdout).toBe("ready told to stop");
  });

  test("ends by the signal that ended its child", () => {
    fakeProject('process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);');
    put("node_modules/.package-lock.json", { packages: {} });
    const { signal } = spawnSync(process.execPath, [join(folder, "lib", "cli", "bootstrap.cjs")]);
    expect(signal).toBe("SIGTERM");
  });
});
