/** What receipts refuse. */
import { QuantbookError } from "../../base/error.ts";

/**
 * A receipt cannot be read, made or verified: `"format"` (it is none; the message names the field), `"option"`, `"text"` (its windows
 * are not told and were not given), `"row"` (the row of a sweep has not the numbers that are measured), `"task"` (such a task has none).
 */
export class ReceiptError extends QuantbookError {}
