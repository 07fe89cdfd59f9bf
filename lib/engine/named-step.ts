import { RepeatedStep, runOnce, tf } from "./tf";

/** An object without a class of its own: a branch of a tree of tensors. */
function isBranch(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * The tensors of a tree by their paths, such as "inputs.text"; members that are neither tensor nor branch are left out.
 */
export function flattenTensors(tree: object): tf.NamedTensorMap {
  const tensors: tf.NamedTensorMap = {};
  const add = (branch: object, prefix: string): void => {
    for (const [name, value] of Object.entries(branch)) {
      if (value instanceof tf.Tensor) tensors[prefix + name] = value;
      else if (isBranch(value)) add(value, `${prefix}${name}.`);
    }
  };
  add(tree, "");
  return tensors;
}

/** The tree whose tensors have the given paths. The caller says its type: paths from a file are not checked. */
export function nestTensors<T extends object>(tensors: tf.NamedTensorMap): T {
  const tree: Record<string, object> = {};
  for (const [path, tensor] of Object.entries(tensors)) {
    const names = path.split(".");
    let branch = tree;
    for (const name of names.slice(0, -1)) branch = (branch[name] ??= {}) as Record<string, object>;
    branch[names[names.length - 1]!] = tensor;
  }
  return tree as T;
}

/**
 * A tree like `template` whose tensors are the ones that have their paths; all other members are the template's own.
 */
export function unflattenTensors<T extends object>(template: T, tensors: tf.NamedTensorMap): T {
  const copy = (branch: object, prefix: string): object =>
    Object.fromEntries(
      Object.entries(branch).map(([name, value]) => [
        name,
        value instanceof tf.Tensor
          ? tensors[prefix + name]
          : isBranch(value)
            ? copy(value, `${prefix}${name}.`)
            : value,
      ]),
    );
  return copy(template, "") as T;
}

/** Frees the tensors of a tree. */
export function disposeTensors(tree: object): void {
  tf.dispose(flattenTensors(tree));
}

/**
 * What the body of a named step gives: tensors by name. Those that were kept (`tf.keep`) are freed once they are read.
 */
export type StepResults = Readonly<Record<string, tf.Tensor>>;

/** The numbers of a step's results: a scalar's number, all others flattened. */
export type StepNumbers<R extends StepResults> = {
  readonly [K in keyof R]: R[K] extends tf.Scalar ? number : Float32Array;
};

type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** One float32 vector of all results, as a repeated step gives it. */
function pack(results: StepResults): { packed: tf.Tensor; shapes: Shapes } {
  const tensors = Object.values(results);
  const packed = tf.concat(tensors.map((t) => t.toFloat().reshape([-1])));
  for (const tensor of tensors) if (tensor.kept) tensor.dispose();
  return { packed, shapes: Object.entries(results).map(([name, { shape }]) => [name, shape]) };
}

function unpack<R extends StepResults>(numbers: ArrayLike<number>, shapes: Shapes): StepNumbers<R> {
  const all = numbers as Float32Array;
  let at = 0;
  return Object.fromEntries(
    shapes.map(([name, shape]) => {
      const from = at;
      at += shape.reduce((n, d) => n * d, 1);
      return [name, shape.length === 0 ? all[from]! : all.slice(from, at)];
    }),
  ) as StepNumbers<R>;
}

/** Runs `body` once on a tree of tensors and reads its results. */
export function runNamed<I extends object, R extends StepResults>(body: (inputs: I) => R, inputs: I): StepNumbers<R> {
  let shapes: Shapes = [];
  const numbers = runOnce((tensors) => {
    const results = pack(body(unflattenTensors(inputs, tensors)));
    shapes = results.shapes;
    return results.packed;
  }, flattenTensors(inputs));
  return unpack(numbers, shapes);
}

/**
 * A repeated step (see `RepeatedStep`) that takes a tree of tensors, such as `{ inputs, targets }`, and gives results
 * by name. Members of the tree that are no tensors must be the same at every call.
 */
export class NamedStep<I extends object, R extends StepResults> {
  readonly #step: RepeatedStep;
  /** The results' shapes, by the inputs': an engine that repeats a program does not run the body. */
  readonly #shapes = new Map<string, Shapes>();
  #given: { inputs: I; key: string } | undefined;

  constructor(body: (inputs: I) => R) {
    this.#step = new RepeatedStep((tensors) => {
      const { inputs, key } = this.#given!;
      const { packed, shapes } = pack(body(unflattenTensors(inputs, tensors)));
      this.#shapes.set(key, shapes);
      return packed;
    });
  }

  /** The numbers of the body's results. */
  run(inputs: I): StepNumbers<R> {
    const tensors = flattenTensors(inputs);
    const key = JSON.stringify(Object.entries(tensors).map(([name, t]) => [name, t.shape]));
    this.#given = { inputs, key };
    return unpack(this.#step.run(tensors), this.#shapes.get(key)!);
  }
}
