/**
 * What the kernel's two threads tell each other. The main thread runs cells; the worker has the sockets, so that the
 * kernel answers, prints and can be interrupted while a cell keeps the main thread busy.
 */
import type { Failure } from "./failure";

/** A MIME bundle as JSON text: it is parsed once, when it is sent, if no newer state has replaced it by then. */
export type BundleJson = string;

export type UserExpression =
  | { readonly status: "ok"; readonly data: Readonly<Record<string, unknown>>; readonly metadata: object }
  | ({ readonly status: "error" } & Failure);

/** What became of a cell. */
export interface Outcome {
  readonly failure?: Failure;
  /** The last expression's value. */
  readonly result?: BundleJson;
  readonly expressions?: Readonly<Record<string, UserExpression>>;
  /** What the front end's pager shows: help on a name. */
  readonly page?: Readonly<Record<string, unknown>>;
}

export interface ExecuteCommand {
  readonly type: "execute";
  /** Message id of the request; what is shown refers to it. */
  readonly id: string;
  /** Execution count; the running one for a silent request. */
  readonly number: number;
  readonly code: string;
  readonly silent: boolean;
  readonly expressions: Readonly<Record<string, string>>;
}

/** From the worker to the main thread. */
export type Command =
  | ExecuteCommand
  | {
      readonly type: "complete" | "inspect" | "is-complete";
      readonly id: string;
      readonly code: string;
      /** In UTF-16 units. */
      readonly offset: number;
    }
  /** `force`: whoever listens is no longer asked. */
  | { readonly type: "interrupt"; readonly id: number; readonly force: boolean }
  /** Forgets all names, for the next notebook. */
  | { readonly type: "reset"; readonly id: string }
  | { readonly type: "shutdown" };

/** From the main thread to the worker. */
export type Report =
  | { readonly type: "stream"; readonly owner: string; readonly name: "stdout" | "stderr"; readonly text: string }
  | {
      readonly type: "display";
      readonly owner: string;
      readonly json: BundleJson;
      readonly displayId?: string;
      readonly update: boolean;
    }
  | { readonly type: "clear"; readonly owner: string; readonly wait: boolean }
  | { readonly type: "late-error"; readonly owner: string; readonly failure: Failure }
  | { readonly type: "executed"; readonly id: string; readonly outcome: Outcome }
  | { readonly type: "answer"; readonly id: string; readonly content: Readonly<Record<string, unknown>> }
  /** `asked`: work that listens was told and will end by itself. */
  | { readonly type: "interrupted"; readonly id: number; readonly asked: boolean }
  | { readonly type: "input"; readonly owner: string; readonly prompt: string }
  | { readonly type: "exit"; readonly code: number };

/** What a cell that asked for a line gets. */
export type Input = { readonly line: string } | { readonly refused: string };

/** Indices of the shared Int32Array (8 numbers, made by kernels/s2mllm/start.cjs). */
export const shared = {
  /** Whose code runs, one of `phase`. */
  phase: 0,
  /** Characters that the main thread has handed over and the sockets have not taken yet. */
  unsent: 1,
  /** How much work listens for an interrupt. */
  listeners: 2,
  /** Counts answers to requests for input. */
  inputs: 3,
  /** 1 when everything is sent after an exit. */
  flushed: 4,
} as const;

/** The kernel's own code must not be terminated; `terminating` while that of a cell is. */
export const phase = { cells: 0, kernel: 1, terminating: 2 } as const;
