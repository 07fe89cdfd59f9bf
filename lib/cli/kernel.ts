import { installedSpec, installKernel, jupyterPath, kernelName } from "../notebook/kernelspec";
import { parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "kernel",
  positionals: "install",
  about:
    "Registers the notebook kernel with Jupyter for this user. With --print nothing is changed: it says how to " +
    "use the kernel without.",
  options: {
    print: { type: Boolean, help: "only print what Jupyter needs" },
    json: { type: Boolean, help: "print it as JSON" },
  },
} as const;

/** `s2mllm kernel install` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  if (positionals.length !== 1 || positionals[0] !== "install") throw wrongUsage(spec, 'needs "install"');
  const installed = values.print === true ? undefined : installKernel();
  const path = jupyterPath();
  if (values.json === true) {
    printJson({
      kernel: kernelName,
      jupyterPath: path,
      installed: installed !== undefined,
      spec: JSON.parse(installedSpec()) as unknown,
    });
  } else if (installed !== undefined) {
    printLines([installed, `notebooks can now choose the kernel "${kernelName}"`]);
  } else {
    printLines([`JUPYTER_PATH=${path} jupyter lab notebooks/`]);
  }
  return 0;
}
