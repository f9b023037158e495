/** What the advisor refuses. */
import { QuantbookError } from "../../base/error.ts";

/**
 * No advice can be given: `"budget"` (unreadable, or less than the smallest candidate takes), `"candidates"`, `"option"`, `"seen"` (the
 * text of the proof is text that the scores have seen).
 */
export class AdvisorError extends QuantbookError {}
