/** What goes wrong in a template, and how much it may do. */
import { QuantbookError } from "../../../base/error.ts";

/**
 * Python's kind of error (`type`, `value`, `lookup`, `overflow`, `zero`), or `syntax`, `undefined`, `security` (what the sandbox forbids),
 * `raised` (by the template itself), `limit` (it does too much) and `unsupported` (what Jinja can do and this interpreter cannot).
 */
export type TemplateErrorCode =
  | "syntax"
  | "undefined"
  | "type"
  | "value"
  | "lookup"
  | "overflow"
  | "zero"
  | "security"
  | "raised"
  | "limit"
  | "unsupported";

/** A template cannot be read or rendered. */
export class TemplateError extends QuantbookError {
  /** What went wrong, stable across releases. */
  declare readonly code: TemplateErrorCode;
  /** The line of the template, from 1, where it is known. */
  line?: number;

  /** Makes an error. */
  constructor(code: TemplateErrorCode, message: string, line?: number) {
    super(code, message);
    this.line = line;
  }
}

/** What Jinja can do and this interpreter cannot, refused rather than guessed. */
export function unsupported(what: string): TemplateError {
  return new TemplateError("unsupported", `${what}: not supported`);
}

/** Steps of work that a template may do: a conversation of a thousand messages takes some hundred thousand. */
const workLimit = 5_000_000;
/** Units (UTF-16) of the longest text. */
const textLimit = 1 << 24;

// Rendering is synchronous, so that one template is at work at a time.
let workLeft = workLimit;

/** A template begins. */
export function startWork(): void {
  workLeft = workLimit;
}

/** Counts work; templates are programs of strangers. The same template is refused on every machine alike. */
export function spend(steps: number): void {
  workLeft -= steps;
  if (!(workLeft >= 0)) throw new TemplateError("limit", `it does more than ${workLimit} steps of work`);
}

/** Refuses a text that is too long, before it is made. */
export function checkLength(length: number): void {
  if (length <= textLimit) return;
  throw new TemplateError("limit", `a text of ${length} characters: expected at most ${textLimit}`);
}

/** Counts the work of a text of a length that the engine handles as a whole, before it is made. */
export function spendText(length: number): void {
  checkLength(length);
  spend(1 + length / 32);
}
