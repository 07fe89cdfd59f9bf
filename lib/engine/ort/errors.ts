/**
 * A mistake in what the caller gave, or a machine's limit: the message says what to do, a stack trace would not help.
 */
export class BackendError extends Error {
  /** For programs around the backend: show the message alone. */
  readonly expected = true;

  constructor(
    message: string,
    /** Exit status that a command line should end with: 1 for a failure, 2 for a wrong setting. */
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message);
    this.name = "BackendError";
  }
}
