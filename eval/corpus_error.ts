/** Errors of reading text and cutting it into windows. */
import { QuantbookError } from "../kernels/error.ts";

/**
 * Text is missing or does not give the windows asked for. Codes: `"missing"` (no such file), `"name"` (unknown corpus),
 * `"empty"`, `"length"` (too short, or a window length that is not accepted), `"split"`, `"encoding"` (not UTF-8),
 * `"option"`.
 */
export class CorpusError extends QuantbookError {}
