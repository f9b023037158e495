/** The error that every error of the suite is. */

/** An error with a stable, machine-readable `code`, such as `"truncated"`. */
export class QuantbookError extends Error {
  /** What went wrong, stable across releases. */
  readonly code: string;

  /** Makes an error; `options.cause` is what led to it. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
