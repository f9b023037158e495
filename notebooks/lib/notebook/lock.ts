/** Keeps the lock file as it is while notebooks run. */
import { join } from "node:path";
import { ROOT } from "./files.ts";

/**
 * Puts the lock file back when it is disposed of. Kernels write to it what a notebook imports by a specifier of its own, such as the
 * runtimes that exports are tried in, and every `deno task` would then begin by fetching all of that.
 */
export async function keepLock(path = join(ROOT, "deno.lock")): Promise<AsyncDisposable> {
  const before = await Deno.readTextFile(path);
  return {
    async [Symbol.asyncDispose]() {
      if (await Deno.readTextFile(path) !== before) await Deno.writeTextFile(path, before);
    },
  };
}
