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

/** A tensor or array whose shape is not the expected one. */
export class ShapeError extends Error {
  constructor(where: string, what: string, expected: string, got: readonly number[]) {
    super(`${where}: ${what} must be [${expected}], got [${got.join(", ")}]`);
    this.name = "ShapeError";
  }
}

/** `known` sorted by how close it is to `name`; for "did you mean" messages. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      }
      row = next;
    }
    return row[b.length]!;
  };
  let best: string | undefined;
  let least = Math.max(3, Math.ceil(name.length / 2));
  for (const candidate of known) {
    const d = distance(name, candidate);
    if (d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}

/** The error for a name that is not among the known ones, with a suggestion. */
export function unknownName(kind: string, name: string, known: readonly string[], exitCode: 1 | 2 = 2): UserError {
  const near = closest(name, known);
  return new UserError(
    `${kind} "${name}" is unknown${near === undefined ? "" : ` (did you mean "${near}"?)`}; known: ${known.join(", ")}`,
    exitCode,
  );
}
