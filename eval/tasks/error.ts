/** Errors of reading task data and of running tasks. */
import { QuantbookError } from "../../base/error.ts";

/**
 * A task cannot be run. Codes: `"task"` (no such task), `"missing"` (no such file), `"encoding"` (not UTF-8), `"json"`, `"csv"`,
 * `"parquet"` (malformed file), `"empty"` (no examples, or nothing to score), `"format"` (a field is missing or of another
 * type), `"label"` (an answer that is none of the choices), `"length"` (longer than the model's positions), `"option"`, `"log"`
 * (the log belongs to another run, or cannot be written). What concerns an example names its file and line.
 */
export class TaskError extends QuantbookError {}
