import { interrupt } from "../core/interrupt";

const signals = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Ctrl-C and SIGTERM ask the running work to finish its step and save; without such work they end the process. A
 * second one ends it at once.
 */
export function stopOnSignals(): void {
  let asked = false;
  for (const [signal, number] of Object.entries(signals)) {
    process.on(signal, () => {
      if (asked || interrupt() === 0) process.exit(128 + number);
      asked = true;
      process.stderr.write("\nstopping after this step; once more ends at once\n");
    });
  }
}
