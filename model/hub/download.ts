/**
 * Downloads one file into the hub's cache. The library has no way to go on where a connection was cut: what arrived is kept
 * in an `.incomplete` file, the rest is asked for as a range, and the whole is checked against the announced hash.
 */
import { createHash } from "node:crypto";
import { fileError } from "../files/read.ts";
import { HubError } from "./error.ts";
import { type HubAccess, hubFetch, pause } from "./request.ts";

/** A file of a model on the hub. */
export interface HubFile {
  /** Path in the repository. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What identifies the contents: SHA-256 of large files, the git hash of others. */
  readonly etag: string;
}

/** Where a download stands. */
export interface DownloadProgress {
  /** The file. */
  readonly file: string;
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes that it has. */
  readonly total: number;
}

/**
 * Downloads `file` to `target` unless it is there.
 *
 * @throws {HubError} `checksum`, `network`, `busy`, `missing`, `unauthorized` or `answer`
 */
export async function downloadFile(
  access: HubAccess,
  url: string,
  file: HubFile,
  target: string,
  onProgress: (progress: DownloadProgress) => void,
): Promise<void> {
  if (await sizeOf(target) === file.size) return;
  const partial = `${target}.incomplete`;
  for (let attempt = 1;; attempt++) {
    const cut = await receive(access, url, file, partial, onProgress);
    if (cut === null) break;
    if (attempt >= access.patience.tries) {
      const have = await sizeOf(partial) ?? 0;
      throw new HubError("network", `${url}: ${cut} at byte ${have} of ${file.size}, ${attempt} times`);
    }
    await pause(access.patience.seconds * 2 ** (attempt - 1));
  }
  const found = await etagOf(partial, file);
  if (found !== file.etag) {
    await Deno.remove(partial);
    throw new HubError("checksum", `${url}: the bytes have hash ${found}, the hub announced ${file.etag}`);
  }
  await Deno.rename(partial, target);
}

/** Appends what is missing; the reason when the connection ended early, null when all is there. */
async function receive(
  access: HubAccess,
  url: string,
  { path, size }: HubFile,
  partial: string,
  onProgress: (progress: DownloadProgress) => void,
): Promise<string | null> {
  let have = await sizeOf(partial) ?? 0;
  if (have > size) {
    await Deno.remove(partial);
    have = 0;
  }
  if (have === size && size > 0) return null;
  const headers: HeadersInit = have > 0 ? { range: `bytes=${have}-` } : {};
  const response = await hubFetch(access)(url, { headers });
  // A server that knows no ranges begins anew.
  if (response.status === 200) have = 0;
  else if (response.status !== 206) {
    await response.body?.cancel();
    throw new HubError("answer", `${url}: status ${response.status}: expected 200 or 206`);
  }
  using output = await Deno.open(partial, { write: true, create: true, truncate: have === 0 });
  await output.seek(have, Deno.SeekMode.Start);
  try {
    for await (const chunk of response.body ?? []) {
      if (have + chunk.length > size) {
        throw new HubError("checksum", `${url}: more than the announced ${size} bytes`);
      }
      for (let at = 0; at < chunk.length;) at += await output.write(chunk.subarray(at));
      have += chunk.length;
      onProgress({ file: path, bytes: have, total: size });
    }
  } catch (error) {
    if (error instanceof HubError) throw error;
    return error instanceof Error ? error.message : String(error);
  }
  return have === size ? null : "the connection was cut";
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError(error, path);
  }
}

/** The hash of the kind that was announced: SHA-256, or git's SHA-1 of a blob. */
async function etagOf(path: string, { etag, size }: HubFile): Promise<string> {
  const hash = createHash(etag.length === 64 ? "sha256" : "sha1");
  if (etag.length !== 64) hash.update(`blob ${size}\0`);
  using file = await Deno.open(path);
  const piece = new Uint8Array(1 << 20);
  for (let count; (count = await file.read(piece)) !== null;) hash.update(piece.subarray(0, count));
  return hash.digest("hex");
}
