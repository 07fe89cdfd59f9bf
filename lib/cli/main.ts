#!/usr/bin/env node
import { stopOnSignals } from "../core/interrupt";
import { commands } from "./commands";
import { dispatch } from "./dispatch";

// `s2mllm … | head` closes the pipe early: that is no failure
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

stopOnSignals();
void dispatch(process.argv.slice(2), commands).then((status) => {
  // engines hold handles that would keep the process alive; the empty write waits for what stdout still buffers
  process.stdout.write("", () => process.exit(status));
});
