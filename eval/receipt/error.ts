/** What receipts refuse. */
import { QuantbookError } from "../../base/error.ts";

/**
 * A receipt cannot be read, made or verified: `"format"` (it is none; the message names the field), `"option"`, `"text"` (its windows
 * are not told and were not given).
 */
export class ReceiptError extends QuantbookError {}
