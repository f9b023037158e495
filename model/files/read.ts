/** Reads ranges of files and writes files that are either complete or absent. */
import { CheckpointError } from "./error.ts";
import { sha256 } from "../../base/hash.ts";
import { type FilePath, isMissing, openFile, pathOf, statOf } from "../../base/file.ts";

/** Turns an error of the file system into a {@linkcode CheckpointError}: `missing` or `unreadable`. */
export function fileError(error: unknown, path: FilePath): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const name = pathOf(path);
  if (isMissing(error)) {
    return new CheckpointError("missing", `${name}: no such file`, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new CheckpointError("unreadable", `${name}: cannot be read: ${reason}`, { cause: error });
}

/**
 * Size of a regular file in bytes.
 *
 * @throws {CheckpointError} `missing`, `unreadable`, or `format` when the path is a directory.
 */
export async function fileSize(path: FilePath): Promise<number> {
  try {
    const found = await statOf(path);
    if (found === null) throw new CheckpointError("missing", `${pathOf(path)}: no such file`);
    if (!found.isFile) throw new CheckpointError("format", `${pathOf(path)}: is not a regular file`);
    return found.size;
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Bytes of a file: `length` from byte `offset` on. */
export interface Range {
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/**
 * Reads ranges of one file, in the order given; the file is open only while the generator runs.
 *
 * @throws {CheckpointError} `missing`, `unreadable`, or `truncated` when the file ends before a range does.
 */
export async function* readRanges(
  path: FilePath,
  ranges: Iterable<Range>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const name = pathOf(path);
  await using file = await openFile(path).catch((error) => {
    throw fileError(error, path);
  });
  for (const { offset, length } of ranges) {
    const bytes = new Uint8Array(length);
    const count = await file.read(bytes, offset).catch((error) => {
      throw fileError(error, path);
    });
    if (count < length) {
      const wanted = `bytes ${offset} to ${offset + length} wanted, the file ends at ${offset + count}`;
      throw new CheckpointError("truncated", `${name}: truncated: ${wanted}`);
    }
    yield bytes;
  }
}

/** Reads one range of a file, as {@linkcode readRanges}. */
export async function readRange(
  path: FilePath,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  for await (const bytes of readRanges(path, [{ offset, length }])) return bytes;
  throw new RangeError("unreachable: one range gives one answer");
}

/** SHA-256 of a file's bytes in hexadecimal, what `sha256sum` prints; read in pieces. */
export async function sha256File(path: FilePath): Promise<string> {
  const hash = sha256();
  try {
    await using file = await openFile(path);
    const piece = new Uint8Array(1 << 20);
    for (let at = 0, count = piece.length; count === piece.length; at += count) {
      count = await file.read(piece, at);
      hash.update(piece.subarray(0, count));
    }
  } catch (error) {
    throw fileError(error, path);
  }
  return hash.hex();
}
