import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { writingError } from "../core/files";

// by hand: libraries tell a dead holder by a heartbeat, which a training step of minutes cannot send

/** Who holds a lock. A process id alone may have been given to another process since. */
const Holder = z.object({
  pid: z.int(),
  /** When that process began, as the system tells it. */
  started: z.string(),
  host: z.string(),
  /** When the lock was taken, for people. */
  since: z.string(),
});
type Holder = z.output<typeof Holder>;

/** When a process began; undefined when there is none of that id. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform !== "linux")
      return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // the command's name may hold blanks and brackets: what counts stands behind the last one
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

function holderOf(file: string): Holder | "gone" | "damaged" {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "gone";
    throw error;
  }
  try {
    return Holder.parse(JSON.parse(text));
  } catch {
    return "damaged";
  }
}

const alive = (holder: Holder): boolean =>
  holder.host !== hostname() || (startOf(holder.pid) ?? "none") === holder.started;

/** Whether a living process holds the lock `file`. */
export function isLocked(file: string): boolean {
  const holder = holderOf(file);
  return holder !== "gone" && holder !== "damaged" && alive(holder);
}

/** Puts a file in place with its content, unless one is there. @throws WriteError when nothing can be written there */
function place(file: string, content: string): boolean {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(temporary, content);
  } catch (error) {
    throw writingError(error, dirname(file));
  }
  try {
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Removes a lock whose holder is dead. Only one process at a time may, or one would remove the lock of the next holder.
 */
function removeDead(file: string, self: string): void {
  const guard = `${file}.takeover`;
  if (!place(guard, self)) {
    const age = Date.now() - (statSync(guard, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    // held for less than a millisecond, unless its holder was killed in it
    if (age > 10_000) rmSync(guard, { force: true });
    return;
  }
  try {
    const holder = holderOf(file);
    if (holder === "gone" || (holder !== "damaged" && alive(holder))) return;
    const aside = `${file}.${process.pid}.dead.tmp`;
    renameSync(file, aside);
    rmSync(aside, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

const pause = (milliseconds: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
};

/**
 * Takes the lock `file`. A holder that is dead is taken over.
 *
 * @param what is locked, for the message, such as "run 0123456789ab"
 * @param patience milliseconds to wait for a living holder
 * @returns a function that gives it back
 * @throws UserError saying who holds it
 */
export function takeLock(file: string, what: string, patience = 0): () => void {
  const self: Holder = {
    pid: process.pid,
    started: startOf(process.pid) ?? "unknown",
    host: hostname(),
    since: new Date().toISOString(),
  };
  const text = JSON.stringify(self);
  for (const end = Date.now() + patience; ; ) {
    if (place(file, text)) {
      return () => {
        const holder = holderOf(file);
        if (holder !== "gone" && JSON.stringify(holder) === text) rmSync(file, { force: true });
      };
    }
    const holder = holderOf(file);
    if (holder === "gone") continue;
    if (holder === "damaged" || !alive(holder)) removeDead(file, text);
    else if (Date.now() >= end) {
      const elsewhere = holder.host !== hostname();
      throw new UserError(
        `${what} is being written by process ${holder.pid}${elsewhere ? ` on ${holder.host}` : ""} since ` +
          `${holder.since}; wait for it or stop it (its lock is ${file}` +
          `${elsewhere ? "; remove that if the folder was copied from there" : ""})`,
      );
    }
    pause(20);
  }
}

/** Runs `work` while holding a lock. @throws UserError when a living process holds it for longer than `patience` */
export function withLock<T>(file: string, what: string, work: () => T, patience = 30_000): T {
  const release = takeLock(file, what, patience);
  try {
    return work();
  } finally {
    release();
  }
}
