/** The error of everything that reads or runs a tokenizer. */
import { QuantbookError } from "../../base/error.ts";

/**
 * A tokenizer is absent or malformed, or cannot do what was asked. Codes: `"missing"`, `"json"`, `"format"` (a field of
 * tokenizer.json), `"unsupported"` (a component), `"text"` (not a string), `"token"` (id outside the vocabulary), `"chat"` (messages or
 * options of a chat template).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(new TokenizerError("missing", "tokenizer.json: no such file").code, "missing");
 * ```
 */
export class TokenizerError extends QuantbookError {
  /** What went wrong, stable across releases. */
  declare readonly code: "missing" | "json" | "format" | "unsupported" | "text" | "token" | "chat";
}
