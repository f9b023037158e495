/** Files by path or URL: their names in messages, and writing them whole. */

/** A path for messages: what the caller gave, without the `file://` of a URL. */
export function displayPath(path: string | URL): string {
  return path instanceof URL ? decodeURIComponent(path.pathname) : path;
}

/** Whether there is a file or a directory of this name that can be seen. */
export async function exists(path: string | URL): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Writes chunks to a temporary neighbour and renames it, so that a reader never sees half a file. */
export async function writeAtomic(path: string | URL, chunks: Iterable<Uint8Array>): Promise<void> {
  const suffix = `.${crypto.randomUUID().slice(0, 8)}.part`;
  const temporary = path instanceof URL ? new URL(path.href + suffix) : path + suffix;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true });
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
    }
    await file.syncData();
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}
