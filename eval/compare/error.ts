/** What a comparison refuses. */
import { QuantbookError } from "../../base/error.ts";

/**
 * Models cannot be compared, or not in this way: `"vocabulary"` (another number of tokens), `"tokenizer"` (ids stand for other
 * tokens), `"tokens"` (no token in common), `"windows"` (too little text), `"option"`, `"noise"` (no noise floor of such a model).
 */
export class CompareError extends QuantbookError {}
