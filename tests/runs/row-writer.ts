import { serveParent } from "../../lib/core/child";
import { putRows } from "../../lib/runs/results";
import { sampleRow } from "../report/sample";

/** Puts rows into a file one by one, as a process of its own. */
serveParent<{ readonly file: string; readonly seeds: readonly number[] }, never, void>(async ({ file, seeds }) => {
  for (const seed of seeds) putRows(file, [sampleRow({ seed, run: seed.toString(16).padStart(12, "0") })]);
});
