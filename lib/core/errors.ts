import { distance } from "fastest-levenshtein";

/** A mistake in what the user gave (file, option, config, data): shown without a stack trace. */
export class UserError extends Error {
  constructor(
    message: string,
    /** Exit status of the command line: 1 for a failure, 2 for wrong usage. */
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message);
    this.name = "UserError";
  }
}

// Errors of packages that know nothing of the lab, such as the backend's, are marked `expected` and have an `exitCode`:
// to `instanceof` they are the user's too. Subclasses inherit the function and stay apart.
Object.defineProperty(UserError, Symbol.hasInstance, {
  value(this: unknown, error: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this as typeof UserError, error)) return true;
    return this === UserError && error instanceof Error && "expected" in error && error.expected === true;
  },
});

/** A tensor or array whose shape is not the expected one. */
export class ShapeError extends Error {
  constructor(where: string, what: string, expected: string, got: readonly number[]) {
    super(`${where}: ${what} must be [${expected}], got [${got.join(", ")}]`);
    this.name = "ShapeError";
  }
}

/** The one of `known` that `name` was probably meant to be; undefined when none is near. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const near = known.map((candidate) => ({ candidate, off: distance(name, candidate) }));
  const [best] = near.sort((a, b) => a.off - b.off);
  return best !== undefined && best.off < Math.max(3, Math.ceil(name.length / 2)) ? best.candidate : undefined;
}

/** ` (did you mean "nano"?)`, or nothing when no known name is near. */
export function suggestion(name: string, known: readonly string[], prefix = ""): string {
  const near = closest(name, known);
  return near === undefined ? "" : ` (did you mean "${prefix}${near}"?)`;
}

/** The error for a name that is not among the known ones, with a suggestion. */
export function unknownName(kind: string, name: string, known: readonly string[], exitCode: 1 | 2 = 2): UserError {
  const text = `${kind} "${name}" is unknown${suggestion(name, known)}; known: ${known.join(", ")}`;
  return new UserError(text, exitCode);
}
