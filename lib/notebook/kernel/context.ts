/**
 * Which cell causes what happens later, and how that is ended. Every timer, promise and callback that a cell starts
 * carries the cell with it (AsyncLocalStorage). An interrupted cell's callbacks are terminated as they begin.
 */
import { AsyncLocalStorage, AsyncResource, createHook, executionAsyncResource } from "node:async_hooks";
import { Session } from "node:inspector";
import { promisify } from "node:util";
import { MessageChannel } from "node:worker_threads";
import type { Failure } from "./failure";
import { type AsyncWrap, immediateOwners, nodeAsyncWrap } from "./internals";

export interface CellContext {
  /** Message id of the request. */
  readonly id: string;
  readonly number: number;
  readonly code: string;
  /** The same object for all cells of a notebook. */
  readonly notebook: object;
  /** Nothing of it may run or print any more. */
  cancelled: boolean;
  /** Its outcome is known. */
  finished: boolean;
  /** An error outside of all awaited code, seen before the cell finished. */
  stray?: Failure;
}

const storage = new AsyncLocalStorage<CellContext | undefined>();
const session = new Session();
let terminating = false;

export function currentContext(): CellContext | undefined {
  return storage.getStore();
}

export function runInContext<T>(context: CellContext | undefined, work: () => T): T {
  return storage.run(context, work);
}

const Timeout = setTimeout(() => {}, 0).constructor;

/** Whether node announces this resource's callbacks from JavaScript; from C++, a termination would end the process. */
function endable(resource: object): boolean {
  return resource instanceof Promise || resource instanceof Timeout || resource instanceof AsyncResource;
}

const terminator = createHook({
  before() {
    // the callback that is about to run ends at its first statement
    if (storage.getStore()?.cancelled !== true || !endable(executionAsyncResource())) return;
    session.post("Runtime.terminateExecution");
  },
});

/** Node's own record of nested callbacks, which a termination leaves unbalanced. */
let asyncWrap: AsyncWrap | undefined;

function withoutChecks(): void {
  if (asyncWrap === undefined) return;
  const { kCheck, kTotals } = asyncWrap.constants;
  asyncWrap.async_hook_fields[kCheck] = 0;
  asyncWrap.async_hook_fields[kTotals] = 0;
}

/**
 * Prepares this process for terminations; node must run with --no-force-async-hooks-checks. Node checks that callbacks
 * end in the order in which they began, and aborts where they do not, as after a termination: the checks that
 * AsyncLocalStorage turns on again are turned off.
 */
export function allowTermination(): void {
  session.connect();
  // turns its hook on, which turns the checks on
  storage.enterWith(undefined);
  asyncWrap = nodeAsyncWrap();
  withoutChecks();
  replaceImmediates();
}

/** Ends a cell and all that it has left behind: none of its callbacks runs to its end any more. */
export function cancel(context: CellContext): void {
  context.cancelled = true;
  asyncWrap?.clearAsyncIdStack();
  if (terminating) return;
  terminating = true;
  terminator.enable();
  withoutChecks();
}

/** Disconnects, so that node does not wait for the inspector when it exits. */
export function closeContexts(): void {
  session.disconnect();
}

/**
 * Node's queue of immediates breaks when one of them is terminated; messages to oneself do not, and take their turn
 * likewise.
 */
function replaceImmediates(): void {
  const { port1, port2 } = new MessageChannel();
  const queue: (Turn | undefined)[] = [];
  port2.on("message", () => queue.shift()?.run());
  const set = (callback: (...args: unknown[]) => void, ...args: unknown[]): Turn => {
    const turn = new Turn(AsyncResource.bind(() => callback(...args)));
    queue.push(turn);
    port1.postMessage(undefined);
    return turn;
  };
  const clear = (turn: Turn | undefined): void => {
    const i = turn === undefined ? -1 : queue.indexOf(turn);
    // its message still comes
    if (i >= 0) queue[i] = undefined;
  };
  const promised = (value: unknown): Promise<unknown> => new Promise((done) => set(() => done(value)));
  const { callbacks, promises } = immediateOwners();
  for (const target of callbacks) {
    target.setImmediate = Object.assign(set, { [promisify.custom]: promised });
    target.clearImmediate = clear;
  }
  promises.setImmediate = promised;
}

/** What setImmediate returns; the kernel lives on without it, so references to it count for nothing. */
class Turn {
  constructor(readonly run: () => void) {}
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}
