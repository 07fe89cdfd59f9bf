/** Asks long work to stop: a notebook's stop button or Ctrl+C. Listeners finish their step, save and return. */
const listeners = new Set<() => void>();
let watcher: (count: number) => void = () => {};

/** @returns a function that stops listening */
export function onInterrupt(listener: () => void): () => void {
  listeners.add(listener);
  watcher(listeners.size);
  return () => {
    listeners.delete(listener);
    watcher(listeners.size);
  };
}

/** Tells one watcher, now and after each change, how much work listens. */
export function watchListeners(watch: (count: number) => void): void {
  watcher = watch;
  watch(listeners.size);
}

/** Tells all listeners. @returns how many there were */
export function interrupt(): number {
  const now = [...listeners];
  for (const listener of now) listener();
  return now.length;
}

/**
 * Lets signals and messages in, between two steps of long work. A timer: the kernel's immediates are messages of a
 * port, and a port that always has one lets no other port in.
 */
export function takeMessages(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

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
