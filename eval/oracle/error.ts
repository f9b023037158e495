import { QuantbookError } from "../../base/error.ts";

/** An oracle value is missing: `"model"` or `"id"`. */
export class OracleError extends QuantbookError {}
