import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { stderrProgress } from "../../lib/core/progress";

let written: string[];
const tty = Object.getOwnPropertyDescriptor(process.stderr, "isTTY");

beforeEach(() => {
  written = [];
  vi.useFakeTimers({ now: 0 });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  if (tty === undefined) delete (process.stderr as { isTTY?: boolean }).isTTY;
  else Object.defineProperty(process.stderr, "isTTY", tty);
});

function setTerminal(value: boolean): void {
  Object.defineProperty(process.stderr, "isTTY", { value, configurable: true });
}

test("plain: first and last event, and one line every so many seconds between", () => {
  setTerminal(false);
  const sink = stderrProgress(10);
  for (let done = 0; done <= 30; done++) {
    vi.setSystemTime(done * 1000);
    sink({ task: "train", done, total: 30, note: `loss ${done}` });
  }
  expect(written).toEqual([
    "train  0/30    loss 0\n",
    "train  10/30  20s left  loss 10\n",
    "train  20/30  10s left  loss 20\n",
    "train  30/30  took 30s  loss 30\n",
  ]);
});

test("tasks are timed apart, and minutes are written as minutes", () => {
  setTerminal(false);
  const sink = stderrProgress(10);
  sink({ task: "a", done: 0, total: 2 });
  vi.setSystemTime(65_000);
  sink({ task: "b", done: 0, total: 2 });
  sink({ task: "a", done: 1, total: 2 });
  sink({ task: "b", done: 2, total: 2 });
  expect(written).toEqual(["a  0/2  \n", "b  0/2  \n", "a  1/2  1m05s left\n", "b  2/2  took 0s\n"]);
});

test("terminal: one line rewritten in place, closed at the end", () => {
  setTerminal(true);
  const sink = stderrProgress();
  sink({ task: "eval", done: 1, total: 2 }); // nothing was done since the start: no time to tell
  vi.setSystemTime(100);
  sink({ task: "eval", done: 1, total: 2 }); // too soon to show again
  vi.setSystemTime(2000);
  sink({ task: "eval", done: 2, total: 2 });
  expect(written).toEqual(["\r\x1b[Keval  1/2  ", "\r\x1b[Keval  2/2  took 2s\n"]);
});
