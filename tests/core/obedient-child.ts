import { serveParent } from "../../lib/core/child";
import { UserError } from "../../lib/core/errors";

/** Does what it is asked to: answers, fails in several ways, or waits to be stopped. */
serveParent<string, number, string>(async (what, progress, stop) => {
  if (what === "user error") throw new UserError("scene9999_00: no such scene");
  if (what === "defect") throw new TypeError("a defect");
  if (what === "exit") process.exit(7);
  if (what === "hurry") {
    progress(1);
    throw new UserError("scene9999_00: gone");
  }
  if (what === "killed") process.kill(process.pid, "SIGKILL");
  if (what === "wait" && !stop.aborted)
    await new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));
  for (let i = 1; i <= 3; i++) progress(i);
  return `${what} done`;
});
