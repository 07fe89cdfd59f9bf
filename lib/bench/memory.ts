import { readFileSync, writeFileSync } from "node:fs";

/** Starts the peak of this process's memory anew, where the system can; the weights' files are then no part of it. */
export function resetPeak(): void {
  (globalThis as { gc?: () => void }).gc?.();
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // not Linux: the peak since the process started
  }
}

/** Most resident memory of this process, MB. */
export function peakMB(): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
