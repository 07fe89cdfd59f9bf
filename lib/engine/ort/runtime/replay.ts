import type { NamedTensorMap, Tensor, Variable } from "@tensorflow/tfjs-core";
import type { Numbers, Value } from "../ir";
import { runOnce, type StepNumbers, type StepRunner } from "../step";
import { tf } from "../tf";
import type { Run } from "./executor";

/** What a captured step asks of its host. */
export interface StepHost {
  readonly debug: boolean;
  /** What a data id stands for; undefined for strings and for data of another host. */
  valueOf(dataId: object): Value | undefined;
  /** Runs everything pending. */
  flush(): void;
  /** Runs `f`; `observer` is told of every program just before it runs. */
  observed<T>(observer: (run: Run) => void, f: () => T): T;
  /** Runs a graph that ran before on these leaves; undefined when it is no longer kept. */
  rerun(key: string, leaves: readonly Value[], like: readonly Pick<Value, "shape" | "dtype">[]): Value[] | undefined;
  assign(variable: Variable, value: Value): void;
  /** A copy of the numbers of a value that nothing else holds; its memory is free afterwards. */
  takeNumbers(value: Value): Numbers;
  /** The same numbers as a value of their own. */
  copyOf(value: Value): Value;
}

/** Where a graph takes a leaf from: the step's inputs, a variable as it is now, or numbers that never change. */
type Source = { readonly input: string } | { readonly variable: Variable } | { readonly constant: Value };

interface Capture {
  readonly key: string;
  readonly sources: readonly Source[];
  /** Frozen numbers that are part of the graph, by the variable that must still have them. */
  readonly frozen: readonly { readonly variable: Variable; readonly value: Value }[];
  /** Form of each leaf; a variable may come to be stored in another. */
  readonly forms: readonly { readonly shape: readonly number[]; readonly rounded: string | undefined }[];
  /** What each result of the graph is for; the one without a variable is the step's answer. */
  readonly sinks: readonly (Variable | undefined)[];
  readonly results: readonly Pick<Value, "shape" | "dtype">[];
}

/** How often a step is traced without two equal programs in a row before it is left alone. */
const patience = 4;

/**
 * Captures a step: traces it until two traces agree (same graph, same constants), then runs the graph straight from the
 * variables and inputs. One program for each combination of input shapes.
 */
export class CapturedStep implements StepRunner {
  readonly #known = new Map<string, { program: Capture | undefined; agreed: boolean; tries: number }>();

  constructor(
    private readonly host: StepHost,
    private readonly body: (inputs: NamedTensorMap) => Tensor,
  ) {}

  run(inputs: NamedTensorMap): StepNumbers {
    // debugging needs the operations of each step
    if (this.host.debug) return runOnce(this.body, inputs);
    const shapes = JSON.stringify(Object.entries(inputs).map(([name, t]) => [name, t.dtype, t.shape]));
    const known = this.#known.get(shapes) ?? { program: undefined, agreed: false, tries: 0 };
    this.#known.set(shapes, known);
    if (known.agreed) {
      const numbers = this.#replay(known.program!, inputs);
      if (numbers !== undefined) return numbers;
      Object.assign(known, { program: undefined, agreed: false, tries: 0 });
    }
    if (known.tries >= patience) return runOnce(this.body, inputs);
    const { numbers, program } = this.#capture(inputs);
    known.agreed = program !== undefined && known.program !== undefined && same(program, known.program);
    known.program = program;
    known.tries += 1;
    return numbers;
  }

  #capture(inputs: NamedTensorMap): { numbers: StepNumbers; program: Capture | undefined } {
    const { host } = this;
    // undefined: numbers with two names, such as two inputs that share them; next time they may differ
    const sourceOf = new Map<Value, Source | undefined>();
    const before = new Map<Variable, Value>();
    const name = (value: Value | undefined, source: Source): void => {
      if (value !== undefined) sourceOf.set(value, sourceOf.has(value) ? undefined : source);
    };
    for (const variable of Object.values(tf.engine().registeredVariables)) {
      const value = host.valueOf(variable.dataId);
      if (value !== undefined) before.set(variable, value);
      name(value, { variable });
    }
    for (const [input, tensor] of Object.entries(inputs)) name(host.valueOf(tensor.dataId), { input });
    let answer: Tensor | undefined;
    const programs: (Capture | undefined)[] = [];
    const seen = ({ key, leaves, frozen, roots }: Run): void => {
      const results = new Set(roots);
      const sinkOf = new Map<Value, Variable>();
      let plain = leaves.every((leaf) => !sourceOf.has(leaf) || sourceOf.get(leaf) !== undefined);
      const kept = frozen.flatMap((value) => {
        const source = sourceOf.get(value);
        if (source !== undefined && "variable" in source) return [{ variable: source.variable, value }];
        // what the step is given may be another next time
        if (sourceOf.has(value)) plain = false;
        return [];
      });
      for (const variable of Object.values(tf.engine().registeredVariables)) {
        const value = host.valueOf(variable.dataId);
        if (value === undefined || value === before.get(variable)) continue;
        // assigned what the program does not compute, or what another variable was assigned too
        if (!results.has(value) || sinkOf.has(value)) plain = false;
        sinkOf.set(value, variable);
      }
      const result = answer === undefined ? undefined : host.valueOf(answer.dataId);
      const whole =
        plain &&
        result !== undefined &&
        results.has(result) &&
        !sinkOf.has(result) &&
        roots.every((r) => r === result || sinkOf.has(r));
      programs.push(
        !whole
          ? undefined
          : {
              key,
              sources: leaves.map((leaf) => sourceOf.get(leaf) ?? { constant: host.copyOf(leaf) }),
              frozen: kept,
              forms: leaves.map(({ shape, storage }) => ({ shape, rounded: storage.rounded })),
              sinks: roots.map((r) => (r === result ? undefined : sinkOf.get(r)!)),
              results: roots.map(({ shape, dtype }) => ({ shape, dtype })),
            },
      );
    };
    const numbers = host.observed(seen, () => runOnce((given) => (answer = this.body(given)), inputs));
    return { numbers, program: programs.length === 1 ? programs[0] : undefined };
  }

  /** Runs the program; undefined when it can no longer be used. */
  #replay(program: Capture, inputs: NamedTensorMap): StepNumbers | undefined {
    const { host } = this;
    if (program.sources.some((s) => "variable" in s && s.variable.isDisposed)) return undefined;
    if (program.sinks.some((s) => s?.isDisposed === true)) return undefined;
    if (program.frozen.some(({ variable, value }) => variable.isDisposed || host.valueOf(variable.dataId) !== value))
      return undefined;
    host.flush();
    const leaves: Value[] = [];
    for (const [i, source] of program.sources.entries()) {
      const leaf =
        "constant" in source
          ? source.constant
          : host.valueOf("input" in source ? inputs[source.input]!.dataId : source.variable.dataId);
      const { shape, rounded } = program.forms[i]!;
      if (
        leaf === undefined ||
        leaf.storage.rounded !== rounded ||
        leaf.shape.length !== shape.length ||
        leaf.shape.some((d, k) => d !== shape[k])
      )
        return undefined;
      leaves.push(leaf);
    }
    const results = host.rerun(program.key, leaves, program.results);
    if (results === undefined) return undefined;
    let numbers: StepNumbers | undefined;
    results.forEach((value, i) => {
      const variable = program.sinks[i];
      if (variable !== undefined) host.assign(variable, value);
      else numbers = host.takeNumbers(value);
    });
    return numbers!;
  }
}

/** Equal graphs that take and give the same things; constants are compared by their numbers. */
function same(a: Capture, b: Capture): boolean {
  if (a.key !== b.key) return false;
  const sources = a.sources.every((x, i) => {
    const y = b.sources[i]!;
    if ("input" in x) return "input" in y && x.input === y.input;
    if ("variable" in x) return "variable" in y && x.variable === y.variable;
    // bytes, so that NaN equals itself
    return "constant" in y && Buffer.compare(bytes(x.constant), bytes(y.constant)) === 0;
  });
  return sources && a.sinks.every((sink, i) => sink === b.sinks[i]);
}

function bytes(value: Value): Uint8Array {
  const { buffer, byteOffset, byteLength } = value.storage.data!;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
