/** Errors of running a model. */
import { QuantbookError } from "../base/error.ts";

/**
 * A model cannot do what was asked. Codes: `"family"` (unknown architecture), `"positions"` (more tokens than
 * positions), `"token"` (id outside the vocabulary), `"empty"` (no tokens), `"option"`, `"disposed"`,
 * `"copy"` (a model of another copy of the suite), `"nan"` (it computes what is no number).
 */
export class ModelError extends QuantbookError {}
