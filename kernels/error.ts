/** The base of all errors that quantbook raises on purpose: one subclass per boundary, each with a stable code. */

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

/** A device cannot do what was asked: no adapter, out of memory, a buffer too small, a released buffer. */
export class DeviceError extends QuantbookError {}
