/** What a file system says when it does not take what is written: so that nobody looks for the fault elsewhere. */
import { QuantbookError } from "./error.ts";

/** By code, and by the number of Linux and macOS where the runtime knows no code. */
const reasons: readonly (readonly [code: string, numbers: readonly number[], reason: string])[] = [
  ["ENOSPC", [28], "the disk is full"],
  ["EDQUOT", [122, 69], "the quota of disk space is used up"],
  ["EFBIG", [27], "the file is larger than the system allows"],
  ["EROFS", [30], "the file system is read-only"],
  ["EACCES", [13], "permission denied"],
  ["EPERM", [1], "the operation is not permitted"],
  ["ENOTDIR", [20], "a part of the path is a file, not a directory"],
  ["EEXIST", [17], "a file stands where a directory is needed"],
  ["EIO", [5], "the disk reports an error"],
  ["EMFILE", [24], "too many files are open"],
  ["ENFILE", [23], "too many files are open on this machine"],
];

/**
 * Why a file cannot be written, in words with the system's own behind them; the system's words alone where we have none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const error = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
 * assertEquals(diskReason(error), "the disk is full (No space left on device)");
 * ```
 */
export function diskReason(error: unknown): string {
  if (error instanceof DiskError) return error.reason;
  const said = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const number = Number(said.match(/\bos error (\d+)\b/)?.[1] ?? -1);
  const known = reasons.find((one) => one[0] === code) ??
    reasons.find((one) => code === undefined && one[1].includes(number));
  return known === undefined ? said : `${known[2]} (${said})`;
}

/** A file or a directory cannot be written; nothing half is left. Its code is `"disk"`. */
export class DiskError extends QuantbookError {
  /** Why, as {@linkcode diskReason} says it. */
  readonly reason: string;

  /** Of a path, by the system's error. */
  constructor(path: string, cause: unknown) {
    const reason = diskReason(cause);
    super("disk", `${path}: cannot be written: ${reason}`, { cause });
    this.reason = reason;
  }
}
