/** Jupyter's front ends as servers of their own, for tests in a browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Page } from "playwright-core";
import { findProgram } from "../../lib/core/programs";
import { jupyterPath } from "../../lib/notebook/kernelspec";
import { freePorts } from "../../lib/notebook/ports";

export interface FrontEnd {
  readonly name: string;
  /** The server's program; undefined where it is not installed. */
  readonly program: string | undefined;
  readonly args: readonly string[];
  /** Address of a notebook below the server's. */
  address(file: string): string;
  /** Waits until the page has the notebook and a kernel that is ready. */
  readonly ready: string;
  /** Runs all cells, one cell by its index, interrupts; JavaScript for the page. */
  readonly runAll: string;
  run(index: number): string;
  readonly interrupt: string;
  /** The notebook as JSON text: pages leave cells out that are not in sight. */
  readonly content: string;
}

const python = process.env.S2_JUPYTERLAB_PYTHON;
const ofPyPI = (name: string): string | undefined =>
  python === undefined ? undefined : findProgram([join(dirname(python), name)]);

/** JupyterLab and Notebook 7 share their commands; both offer the application to scripts when asked to. */
const modern = {
  ready: `(() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const state = panel?.sessionContext?.session?.kernel?.status;
    return panel?.content?.widgets?.length > 0 && state === "idle";
  })()`,
  runAll: `window.jupyterapp.commands.execute("notebook:run-all-cells")`,
  run: (index: number): string => `(() => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.deselectAll();
    content.activeCellIndex = ${index};
    window.jupyterapp.commands.execute("notebook:run-cell");
  })()`,
  interrupt: `window.jupyterapp.commands.execute("notebook:interrupt-kernel")`,
  content: "JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON())",
};

export const frontEnds: readonly FrontEnd[] = [
  {
    name: "JupyterLab",
    program: ofPyPI("jupyter-lab"),
    args: ["--ServerApp.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"],
    // without the tabs of before, whose figures and frames would still be in the page
    address: (file) => `/lab/tree/${file}?reset`,
    ...modern,
  },
  {
    name: "Notebook 7",
    program: ofPyPI("jupyter-notebook"),
    args: ["--ServerApp.token=", "--ServerApp.password=", "--JupyterNotebookApp.expose_app_in_browser=True"],
    address: (file) => `/notebooks/${file}`,
    ...modern,
  },
  {
    name: "classic Notebook",
    program: findProgram(["/usr/bin/jupyter-notebook"]),
    args: ["--NotebookApp.token=", "--NotebookApp.password="],
    address: (file) => `/notebooks/${file}`,
    ready: `window.Jupyter?.notebook?._fully_loaded === true && Jupyter.notebook.kernel?.is_connected() === true &&
      document.querySelector("#kernel_indicator_icon.kernel_idle_icon") !== null`,
    runAll: "void Jupyter.notebook.execute_all_cells()",
    run: (index) => `void Jupyter.notebook.execute_cells([${index}])`,
    interrupt: "void Jupyter.notebook.kernel.interrupt()",
    content: "JSON.stringify(Jupyter.notebook.toJSON())",
  },
];

/** A server of a front end on a folder. */
export class Server {
  private constructor(
    private readonly frontEnd: FrontEnd,
    private readonly process: ChildProcess,
    private readonly url: string,
  ) {}

  /** @param home where the server keeps its settings and which notebooks it trusts */
  static async start(frontEnd: FrontEnd, folder: string, home: string): Promise<Server> {
    const [port] = await freePorts(1);
    mkdirSync(home, { recursive: true });
    const own = {
      JUPYTER_CONFIG_DIR: home,
      JUPYTER_DATA_DIR: join(home, "data"),
      JUPYTER_RUNTIME_DIR: join(home, "run"),
    };
    const args = [...frontEnd.args, "--no-browser", "--allow-root", `--port=${port}`, "--ip=127.0.0.1"];
    const env = { ...process.env, ...own, IPYTHONDIR: home, JUPYTER_PATH: jupyterPath() };
    const child = spawn(frontEnd.program!, args, { cwd: folder, env, stdio: "ignore" });
    const url = `http://127.0.0.1:${port}`;
    for (let tries = 0; tries < 600; tries++) {
      if (child.exitCode !== null) throw new Error(`${frontEnd.name} ended with status ${child.exitCode}`);
      const answer = await fetch(`${url}/api`).catch(() => undefined);
      if (answer?.ok === true) return new Server(frontEnd, child, url);
      await new Promise((done) => setTimeout(done, 200));
    }
    throw new Error(`${frontEnd.name} did not start`);
  }

  async open(page: Page, file: string): Promise<void> {
    await page.goto(this.url + this.frontEnd.address(file));
    await page.waitForFunction(this.frontEnd.ready, undefined, { timeout: 180_000 });
  }

  async stop(): Promise<void> {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGTERM");
    const force = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(force);
  }
}
