import { fork } from "node:child_process";
import { UserError } from "./errors";
import { onInterrupt } from "./interrupt";

/** What a child process sends to its parent. */
export type ChildMessage<P, R> =
  | { readonly kind: "progress"; readonly value: P }
  | { readonly kind: "done"; readonly value: R }
  | { readonly kind: "failed"; readonly message: string; readonly user: boolean };

export interface ChildOptions<P> {
  readonly onProgress?: (value: P) => void;
  readonly environment?: Readonly<Record<string, string>>;
  /** Aborting asks the child to stop (it finishes its step and saves); its promise then rejects. */
  readonly signal?: AbortSignal;
  /** A child that has not answered by then is ended, milliseconds. */
  readonly patienceMs?: number;
}

/** Arguments of Node in front of a module's file: what compiles TypeScript as it is loaded, where it is. */
export const loaderOf = (module: string): string[] =>
  module.endsWith(".ts") ? ["--import", require.resolve("tsx")] : [];

/**
 * Runs a module of this project in a process of its own and resolves to its answer. The module calls `serveParent`.
 *
 * @throws UserError where the child threw one; Error with the child's stack when it fails otherwise, or when it dies
 */
export function runChild<I, P, R>(module: string, input: I, options: ChildOptions<P> = {}): Promise<R> {
  return new Promise((resolve, reject) => {
    const child = fork(module, [], {
      execArgv: loaderOf(module),
      env: { ...process.env, ...options.environment },
      serialization: "advanced",
      // a Ctrl+C of the terminal reaches the whole group; the parent alone decides what it means
      detached: false,
    });
    let settled = false;
    const stop = (): void => {
      // one that ends at this moment cannot be told any more; its own answer or its exit says how it ended
      if (child.connected) child.send({ kind: "stop" }, () => {});
    };
    options.signal?.addEventListener("abort", stop, { once: true });
    const { patienceMs } = options;
    const giveUp =
      patienceMs === undefined
        ? undefined
        : setTimeout(() => {
            settle(() => reject(new Error(`${module} gave no answer within ${patienceMs / 1000} s`)));
            child.kill("SIGKILL");
          }, patienceMs);
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(giveUp);
      options.signal?.removeEventListener("abort", stop);
      act();
    };
    child.on("message", (message: ChildMessage<P, R>) => {
      if (message.kind === "progress") options.onProgress?.(message.value);
      else if (message.kind === "done") settle(() => resolve(message.value));
      else settle(() => reject(message.user ? new UserError(message.message) : new Error(message.message)));
    });
    child.on("error", (error) => settle(() => reject(error)));
    child.on("exit", (code, signal) =>
      settle(() => reject(new Error(`${module} ended without an answer (${signal ?? `exit status ${code}`})`))),
    );
    child.send({ kind: "start", input });
    if (options.signal?.aborted === true) stop();
  });
}

/**
 * Runs a module in a process for each part of some work, side by side. When one fails, or an interrupt comes, the
 * others are asked to stop and waited for, so that none writes on behind.
 *
 * @param onProgress how much all have done together, each counting its own
 * @param interrupted what an interrupt is answered with
 * @throws as `runChild`, what went wrong first; UserError after an interrupt
 */
export async function runParts<I, R>(
  module: string,
  parts: readonly I[],
  onProgress: (done: number) => void,
  interrupted: string,
): Promise<R[]> {
  const stop = new AbortController();
  const forget = onInterrupt(() => stop.abort());
  const done = parts.map(() => 0);
  let first: { readonly error: unknown } | undefined;
  const run = async (part: I, i: number): Promise<R | undefined> => {
    try {
      return await runChild<I, number, R>(module, part, {
        signal: stop.signal,
        onProgress: (n) => {
          done[i] = n;
          onProgress(done.reduce((a, b) => a + b, 0));
        },
      });
    } catch (error) {
      first ??= { error };
      stop.abort();
      return undefined;
    }
  };
  try {
    const results = await Promise.all(parts.map(run));
    if (first !== undefined) throw first.error;
    if (stop.signal.aborted) throw new UserError(interrupted);
    return results as R[];
  } finally {
    forget();
  }
}

/** The other side of `runChild`: runs `work` once on the parent's input, reports, and ends the process. */
export function serveParent<I, P, R>(
  work: (input: I, progress: (value: P) => void, stop: AbortSignal) => Promise<R>,
): void {
  const send = (message: ChildMessage<P, R>): Promise<void> =>
    new Promise((resolve) =>
      process.connected ? process.send!(message, undefined, undefined, () => resolve()) : resolve(),
    );
  const stopping = new AbortController();
  process.on("SIGINT", () => {}); // the parent forwards what it means
  process.on("disconnect", () => process.exit(1));
  process.on("message", (message: { kind: "start"; input: I } | { kind: "stop" }) => {
    if (message.kind === "stop") return stopping.abort();
    work(message.input, (value) => void send({ kind: "progress", value }), stopping.signal)
      .then(
        (value) => send({ kind: "done", value }),
        (error: Error) => {
          const user = error instanceof UserError;
          return send({ kind: "failed", user, message: user ? error.message : (error.stack ?? String(error)) });
        },
      )
      .then(() => process.disconnect?.());
  });
}
