import { UserError } from "../../core/errors";
import { readConnection } from "../wire";
import { Cells } from "./cells";
import { prepareCompiler } from "./compiler";
import { KernelServer } from "./server";

/** Ends the kernel when the program that started it is gone: a killed Jupyter leaves no process behind. */
function exitWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 1000).unref();
}

/** Starts the kernel in the current folder, which must be the project root. */
export function launch(connectionFile: string | undefined): void {
  if (connectionFile === undefined)
    throw new UserError("the kernel needs the connection file that Jupyter gives it", 2);
  const connection = readConnection(connectionFile);
  const root = process.cwd();
  prepareCompiler(root);
  const cells = new Cells(root);
  const server = new KernelServer(connection, cells, () => process.exit(0));
  process.on("SIGINT", () => server.interrupted());
  process.on("unhandledRejection", (reason) => cells.stray(reason));
  process.on("uncaughtException", (error) => cells.stray(error));
  exitWithParent();
  void server.start();
}
