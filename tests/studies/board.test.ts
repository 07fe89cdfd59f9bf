import { expect, test, vi } from "vitest";
import { Board } from "../../lib/studies/board";
import { jobsOf } from "../../lib/studies/job";

const jobs = jobsOf({ study: "table5", preset: "nano", variants: ["full", "no-attn"], seeds: [0, 1, 2] });

test("arms by seeds: waiting, running, finished, failed, and the time that is left", () => {
  vi.useFakeTimers({ now: 0 });
  const board = new Board(jobs, jobs.slice(0, 1), 2);
  expect(board.lines()).toEqual(["full       ✓   ·   ·", "no-attn    ·   ·   ·", "1 of 6 runs finished, 0 running"]);
  board.set(jobs[1]!, "running");
  board.set(jobs[3]!, "running");
  vi.advanceTimersByTime(600_000);
  board.hear(jobs[1]!, { task: "full seed 1", done: 550, total: 1100 });
  board.hear(jobs[1]!, { task: "fingerprint", done: 1, total: 1 });
  board.set(jobs[3]!, "failed");
  expect(board.lines().slice(0, 2)).toEqual(["full       ✓ 45%   ·", "no-attn    ✗   ·   ·"]);
  expect(board.summary()).toMatch(/^1 of 6 runs finished, 1 running, 1 failed, about \d+ min left$/);
  board.set(jobs[1]!, "finished");
  expect(board.count("finished")).toBe(2);
  vi.useRealTimers();
});
