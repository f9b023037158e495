/** The error of everything that reads or writes model files. */
import { QuantbookError } from "../../base/error.ts";

/**
 * What can be wrong with a model file:
 * `missing` no such file, `unreadable` the system refuses, `format` another kind of file, `truncated` the file ends early,
 * `header` malformed header, `dtype` unknown or unusable type, `shape` shape and bytes disagree, `offsets` overlap, hole or
 * out of range, `index` malformed or contradictory shard index, `tensor` no tensor of that name, `nan` a value that is not
 * finite, `config` malformed configuration, `outliers` malformed list of moves, `notice` fields that were not used, where that is to be an error.
 */
export type CheckpointErrorCode =
  | "missing"
  | "unreadable"
  | "format"
  | "truncated"
  | "header"
  | "dtype"
  | "shape"
  | "offsets"
  | "index"
  | "tensor"
  | "nan"
  | "config"
  | "outliers"
  | "notice";

/**
 * A model file is absent, malformed or contradicts itself.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * const error = new CheckpointError("missing", "model.safetensors: no such file");
 * assert(error.code === "missing");
 * ```
 */
export class CheckpointError extends QuantbookError {
  /** What went wrong, stable across releases. */
  declare readonly code: CheckpointErrorCode;

  /** `code` is stable across releases; `message` names the file, the item, the value and what is accepted. */
  constructor(code: CheckpointErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
