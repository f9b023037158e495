/** Locks between processes that no process outlives. */

/** How often a lock that somebody else holds is asked for again, in milliseconds; Python's `filelock` has the same. */
const interval = 50;

/** A lock on a file, until it is disposed of. */
export interface FileLock extends Disposable {
  /** Whether others are kept out. */
  readonly locked: boolean;
}

/**
 * Waits until nobody else holds the lock on a file, which is made where it is not there, and holds it until it is disposed of or
 * this process ends. It is `flock` on Unix and `LockFileEx` on Windows, which Python's `filelock` takes too: the two wait for
 * each other. The file stays: another may be waiting for it. Where the system has no locks (some network file systems, Node)
 * nothing is held.
 *
 * @throws the file system's error, when the file cannot be made
 */
export async function lockFile(path: string): Promise<FileLock> {
  if (!("Deno" in globalThis)) return { locked: false, [Symbol.dispose]: () => {} };
  // Whoever shares the folder may wait for it too; of a file that another user's program made for itself, reading is enough.
  const file = await Deno.open(path, { create: true, write: true, mode: 0o664 }).catch((error) => {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    return Deno.open(path, { read: true });
  });
  let locked = true;
  try {
    while (!await file.tryLock(true)) await new Promise((resolve) => setTimeout(resolve, interval));
  } catch {
    locked = false;
  }
  return { locked, [Symbol.dispose]: () => file.close() };
}
