/** Files, by the `node:fs` that Deno and Node share. A path is any path: no URL is taken apart by hand. */
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { DiskError } from "./disk.ts";

/** A path, or the URL of a file. */
export type FilePath = string | URL;

/** The path of a `file:` URL by the platform's rules; a path as it is, any other URL as it reads. */
export function pathOf(path: FilePath): string {
  if (typeof path === "string") return path;
  return path.protocol === "file:" ? fileURLToPath(path) : path.href;
}

/** The directory that a file lies in, by the platform's rules: on Unix a backslash is part of a name. `.` for a bare name. */
export function directoryOf(path: string): string {
  return dirname(path);
}

/** The path of a directory without separators at its end, by the platform's rules. */
export function trimmedPath(directory: string): string {
  return directory.replace(sep === "/" ? /\/+$/ : /[/\\]+$/, "") || "/";
}

/** Whether an error of the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** What lies under a path, or null when nothing does. */
export async function statOf(
  path: FilePath,
): Promise<{ readonly isFile: boolean; readonly isDirectory: boolean; readonly size: number } | null> {
  const found = await stat(path).catch((error) => {
    if (isMissing(error)) return null;
    throw error;
  });
  return found && { isFile: found.isFile(), isDirectory: found.isDirectory(), size: found.size };
}

/** Whether there is a file or a directory of this name that can be seen. */
export async function exists(path: FilePath): Promise<boolean> {
  return await statOf(path).then((found) => found !== null, () => false);
}

/** All bytes of a file. */
export async function readBytes(path: FilePath): Promise<Uint8Array<ArrayBuffer>> {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** The text of a file, whose bytes that are no UTF-8 become U+FFFD. */
export async function readText(path: FilePath): Promise<string> {
  return await readFile(path, "utf8");
}

/** A text with the line ends that Python's `open()` gives it: CRLF and a lone CR become line feeds. */
export function withLineFeeds(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

/** Names in a directory, sorted. */
export async function namesIn(directory: FilePath): Promise<string[]> {
  return (await readdir(directory)).sort();
}

/**
 * Makes a directory and those that it lies in, unless they are there.
 *
 * @throws {DiskError}
 */
export async function makeDirectory(path: FilePath): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error) => {
    throw new DiskError(pathOf(path), error);
  });
}

/** Removes a file, if it is there. */
export async function removeFile(path: FilePath): Promise<void> {
  await rm(path, { force: true });
}

/** A file that is read in places. */
export interface OpenFile extends AsyncDisposable {
  /** Fills `bytes` from byte `position` on; returns how many there were, fewer only at the end of the file. */
  read(bytes: Uint8Array, position: number): Promise<number>;
}

/** Opens a file for reading. */
export async function openFile(path: FilePath): Promise<OpenFile> {
  const handle = await open(path);
  return {
    async read(bytes, position) {
      let at = 0;
      while (at < bytes.length) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, position + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return at;
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/**
 * Writes chunks to a temporary neighbour and renames it, so that a reader never sees half a file. `verify` is given the neighbour's path
 * before that: where it throws, nothing is left.
 *
 * @throws {DiskError} and what making the chunks throws
 */
export async function writeAtomic(
  path: FilePath,
  chunks: Iterable<Uint8Array>,
  verify?: (written: string) => Promise<void>,
): Promise<void> {
  const target = pathOf(path), temporary = `${target}.${crypto.randomUUID().slice(0, 8)}.part`;
  try {
    const onDisk = async <T>(work: Promise<T>): Promise<T> =>
      await work.catch((error) => {
        throw new DiskError(target, error);
      });
    const handle = await onDisk(open(temporary, "wx"));
    try {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length;) {
          at += (await onDisk(handle.write(chunk, at, chunk.length - at))).bytesWritten;
        }
      }
      await onDisk(handle.sync());
    } finally {
      await handle.close();
    }
    await verify?.(temporary);
    await onDisk(rename(temporary, target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}
