/**
 * Downloads one file into the hub's cache. The library has no way to go on where a connection was cut: what arrived is kept
 * in an `.incomplete` file, the rest is asked for as a range, and the whole is checked against the announced hash.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { isMissing, makeDirectory, statOf } from "../../base/file.ts";
import { lockFile } from "../../base/lock.ts";
import { type HubFile, onDisk } from "./cache.ts";
import { HubError } from "./error.ts";
import { type HubAccess, hubFetch, pause, reasonOf, tries } from "./request.ts";

/** Where a download stands. */
export interface DownloadProgress {
  /** The file. */
  readonly file: string;
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes that it has. */
  readonly total: number;
}

/** Where a file goes, and what keeps others from downloading it too. */
interface Place {
  readonly target: string;
  readonly lock: string;
}

/**
 * Downloads `file` to `target` unless it is there. Whoever else does waits at the lock; where there are no locks, it is
 * downloaded twice.
 *
 * @throws {HubError} `checksum`, `network`, `busy`, `missing`, `unauthorized`, `forbidden`, `disk` or `answer`
 */
export async function downloadFile(
  access: HubAccess,
  url: string,
  file: HubFile,
  { target, lock }: Place,
  onProgress: (progress: DownloadProgress) => void,
): Promise<void> {
  if (await sizeOf(target) === file.size) return;
  for (const path of [target, lock]) await onDisk(path, () => makeDirectory(dirname(path)));
  using held = await onDisk(lock, () => lockFile(lock));
  for (;;) {
    if (await sizeOf(target) === file.size) return;
    const partial = `${target}.${crypto.randomUUID().slice(0, 8)}.incomplete`;
    const inherited = held.locked && await onDisk(partial, () => takeOver(target, partial, file.size));
    await receiveAll(access, url, file, partial, onProgress);
    const found = await etagOf(partial, file);
    if (found === file.etag && await onDisk(target, () => settle(partial, target))) return;
    await rm(partial, { force: true });
    // What somebody else had begun may not have been what it was taken for; or, where locks do nothing, somebody took ours.
    if (inherited || found === undefined || found === file.etag) continue;
    throw new HubError("checksum", `${url}: the bytes have hash ${found}, the hub announced ${file.etag}`);
  }
}

/**
 * Gives the longest piece of a download that nobody finished the name of ours: as we hold the lock, whoever made it is gone.
 * Names of one's own, as Python's, keep those apart who have no lock.
 */
async function takeOver(target: string, partial: string, size: number): Promise<boolean> {
  let longest = 0, best: string | undefined;
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(`${basename(target)}.`) || !name.endsWith(".incomplete")) continue;
    const path = `${dirname(target)}/${name}`, bytes = await sizeOf(path) ?? 0;
    if (bytes > size) await rm(path, { force: true });
    else if (bytes > longest) [longest, best] = [bytes, path];
  }
  if (best === undefined) return false;
  return await rename(best, partial).then(() => true, (error) => {
    if (isMissing(error)) return false;
    throw error;
  });
}

/** Tries until all bytes are there; a try that brought some does not count, as with Python's. */
async function receiveAll(
  access: HubAccess,
  url: string,
  file: HubFile,
  partial: string,
  onProgress: (progress: DownloadProgress) => void,
): Promise<void> {
  for (let attempt = 1;;) {
    const before = await sizeOf(partial) ?? 0;
    const cut = await receive(access, url, file, partial, onProgress);
    if (cut === null) return;
    const have = await sizeOf(partial) ?? 0;
    if (have > before) attempt = 1;
    else if (attempt++ >= access.patience.tries) {
      const last = attempt - 1;
      throw new HubError(
        "network",
        `${url}: ${cut} at byte ${have} of ${file.size}, ${tries(last)} in a row`,
      );
    }
    await pause(access.patience.seconds * 2 ** (attempt - 1));
  }
}

/** Appends what is missing; the reason when the connection ended early, null when all is there. */
async function receive(
  access: HubAccess,
  url: string,
  file: HubFile,
  partial: string,
  onProgress: (progress: DownloadProgress) => void,
): Promise<string | null> {
  const { path, size } = file;
  let have = await sizeOf(partial) ?? 0;
  if (have === size && size > 0) return null;
  const range = `bytes=${have}-`;
  const response = await hubFetch(access)(url, have > 0 ? { headers: { range } } : {});
  const { status, headers } = response;
  // Some servers give what was asked for under status 200, caches begin at a block before it, others know no ranges.
  const said = headers.get("content-range")?.match(/^bytes (\d+)-/)?.[1];
  const first = said !== undefined ? Number(said) : status === 206 ? Infinity : 0;
  if (status === 416 || (status < 300 && first > have)) {
    await response.body?.cancel();
    await onDisk(partial, () => rm(partial, { force: true }));
    return `the answer to ${range} has range ${headers.get("content-range") ?? "unknown"}`;
  }
  if (status !== 200 && status !== 206) {
    await response.body?.cancel();
    throw new HubError("answer", `${url}: status ${status}: expected 200 or 206`);
  }
  have = first;
  const output = await onDisk(partial, () => openAt(partial, have));
  try {
    for await (const chunk of response.body ?? []) {
      if (have + chunk.length > size) {
        await rm(partial, { force: true });
        throw new HubError("checksum", `${url}: more than the announced ${size} bytes`);
      }
      await onDisk(partial, () => writeAll(output, chunk, have));
      have += chunk.length;
      onProgress({ file: path, bytes: have, total: size });
    }
    if (have === size) await onDisk(partial, () => output.sync());
  } catch (error) {
    // A disk that is full shall not stay so.
    if (error instanceof HubError && error.code === "disk") {
      await rm(partial, { force: true }).catch(() => {});
    }
    if (error instanceof HubError) throw error;
    return reasonOf(error);
  } finally {
    await output.close();
  }
  return have === size ? null : "the connection was cut";
}

async function openAt(path: string, size: number): Promise<FileHandle> {
  const handle = await open(path, "a").then((made) => made.close()).then(() => open(path, "r+"));
  await handle.truncate(size);
  return handle;
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    at += (await handle.write(chunk, at, chunk.length - at, position + at)).bytesWritten;
  }
}

/** The whole file gets its name; false when it is gone. */
async function settle(partial: string, target: string): Promise<boolean> {
  return await rename(partial, target).then(() => true, (error) => {
    if (isMissing(error)) return false;
    throw error;
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await onDisk(path, () => statOf(path)))?.size;
}

/** The hash of the kind that was announced: SHA-256, or git's SHA-1 of a blob; undefined when there is no such file. */
async function etagOf(path: string, { etag, size }: HubFile): Promise<string | undefined> {
  if (await sizeOf(path) === undefined) return undefined;
  const hash = createHash(etag.length === 64 ? "sha256" : "sha1");
  if (etag.length !== 64) hash.update(`blob ${size}\0`);
  await using file = await onDisk(path, () => open(path));
  const piece = new Uint8Array(1 << 20);
  for (let count; (count = (await file.read(piece)).bytesRead) > 0;) hash.update(piece.subarray(0, count));
  return hash.digest("hex");
}
