/** Reads ranges of files and writes files that are either complete or absent. */
import { createHash } from "node:crypto";
import { CheckpointError } from "./error.ts";
import { displayPath } from "../../base/file.ts";

/** Turns an error of the file system into a {@linkcode CheckpointError}: `missing` or `unreadable`. */
export function fileError(error: unknown, path: string | URL): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const name = displayPath(path);
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
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
export async function fileSize(path: string | URL): Promise<number> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw new CheckpointError("format", `${displayPath(path)}: is not a regular file`);
    return size;
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
  path: string | URL,
  ranges: Iterable<Range>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const name = displayPath(path);
  using file = await Deno.open(path).catch((error) => {
    throw fileError(error, path);
  });
  for (const { offset, length } of ranges) {
    const bytes = new Uint8Array(length);
    try {
      await file.seek(offset, Deno.SeekMode.Start);
      for (let at = 0; at < length;) {
        const count = await file.read(bytes.subarray(at));
        if (count === null) {
          const wanted = `bytes ${offset} to ${offset + length} wanted, the file ends at ${offset + at}`;
          throw new CheckpointError("truncated", `${name}: truncated: ${wanted}`);
        }
        at += count;
      }
    } catch (error) {
      throw fileError(error, path);
    }
    yield bytes;
  }
}

/** Reads one range of a file, as {@linkcode readRanges}. */
export async function readRange(
  path: string | URL,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  for await (const bytes of readRanges(path, [{ offset, length }])) return bytes;
  throw new RangeError("unreachable: one range gives one answer");
}

/** SHA-256 of a file's bytes in hexadecimal, what `sha256sum` prints; read in pieces. */
export async function sha256File(path: string | URL): Promise<string> {
  const hash = createHash("sha256");
  try {
    using file = await Deno.open(path);
    const piece = new Uint8Array(1 << 20);
    for (let count; (count = await file.read(piece)) !== null;) hash.update(piece.subarray(0, count));
  } catch (error) {
    throw fileError(error, path);
  }
  return hash.digest("hex");
}
