/** In a page, in the place of `base/file.ts`: files are what the page gave, in memory. Paths are those of Unix. */
import { DiskError } from "../base/disk.ts";

/** A path, or the URL of a file. */
export type FilePath = string | URL;

const files = new Map<string, Uint8Array<ArrayBuffer> | Blob>();

/** Puts a file where it can be read under a path, which begins with `/`; of a blob only what is asked for is ever in memory. */
export function giveFile(path: string, bytes: Uint8Array<ArrayBuffer> | Blob): void {
  files.set(path, bytes);
}

/** A path in memory; an address as it reads. */
export function pathOf(path: FilePath): string {
  return typeof path === "string" ? path : path.href;
}

/** The directory that a file lies in. */
export function directoryOf(path: string): string {
  const parts = trimmedPath(path).split("/");
  parts.pop();
  return parts.join("/") || (path.startsWith("/") ? "/" : ".");
}

/** The path of a directory without separators at its end. */
export function trimmedPath(directory: string): string {
  let end = directory.length;
  while (directory[end - 1] === "/") end--;
  return directory.slice(0, end) || "/";
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

const sizeOf = (file: Uint8Array | Blob) => file instanceof Blob ? file.size : file.length;

/** What lies under a path, or null when nothing does. */
// deno-lint-ignore require-await -- as where files lie on a disk
export async function statOf(
  path: FilePath,
): Promise<{ readonly isFile: boolean; readonly isDirectory: boolean; readonly size: number } | null> {
  const name = pathOf(path), file = files.get(name), folder = `${trimmedPath(name)}/`;
  if (file !== undefined) return { isFile: true, isDirectory: false, size: sizeOf(file) };
  const isDirectory = [...files.keys()].some((one) => one.startsWith(folder));
  return isDirectory ? { isFile: false, isDirectory, size: 0 } : null;
}

/** Whether there is a file or a directory of this name. */
export async function exists(path: FilePath): Promise<boolean> {
  return await statOf(path) !== null;
}

/** All bytes of a file. */
export async function readBytes(path: FilePath): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = files.get(pathOf(path));
  if (bytes instanceof Blob) return new Uint8Array(await bytes.arrayBuffer());
  if (bytes !== undefined) return bytes.slice();
  throw Object.assign(new Error(`${pathOf(path)} was not given to this page`), { code: "ENOENT" });
}

/** The text of a file, whose bytes that are no UTF-8 become U+FFFD. */
export async function readText(path: FilePath): Promise<string> {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await readBytes(path));
}

/** A text with the line ends that Python's `open()` gives it: CRLF and a lone CR become line feeds. */
export function withLineFeeds(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

/** Names in a directory, sorted. */
// deno-lint-ignore require-await -- as where files lie on a disk
export async function namesIn(directory: FilePath): Promise<string[]> {
  const folder = `${trimmedPath(pathOf(directory))}/`;
  const inside = [...files.keys()].filter((name) => name.startsWith(folder));
  return [...new Set(inside.map((name) => name.slice(folder.length).split("/")[0]))].sort();
}

/** A page has no directories to make. */
export async function makeDirectory(_path: FilePath): Promise<void> {}

/** A file that is read in places. */
export interface OpenFile extends AsyncDisposable {
  /** Fills `bytes` from byte `position` on; returns how many there were, fewer only at the end of the file. */
  read(bytes: Uint8Array, position: number): Promise<number>;
}

/** Opens a file for reading. */
export async function openFile(path: FilePath): Promise<OpenFile> {
  const all = files.get(pathOf(path)) ?? await readBytes(path);
  return {
    async read(bytes, position) {
      const end = position + bytes.length;
      const part = all instanceof Blob
        ? new Uint8Array(await all.slice(position, end).arrayBuffer())
        : all.subarray(position, end);
      bytes.set(part);
      return part.length;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * A page writes no files.
 *
 * @throws {DiskError}
 */
export function writeAtomic(
  path: FilePath,
  _chunks: Iterable<Uint8Array>,
  _verify?: (written: string) => Promise<void>,
): Promise<void> {
  return Promise.reject(new DiskError(pathOf(path), new Error("a page writes no files")));
}

/** Removes a file, if it is there. */
// deno-lint-ignore require-await -- as where files lie on a disk
export async function removeFile(path: FilePath): Promise<void> {
  files.delete(pathOf(path));
}
