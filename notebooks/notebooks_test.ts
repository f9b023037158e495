/** Runs every notebook of this folder as a plain module: the published tables are the test suite. */
import { fail } from "@std/assert";
import { basename } from "node:path";
import { listNotebooks, readNotebook } from "./lib/files.ts";
import { runAsModule } from "./lib/module.ts";

for (const path of await listNotebooks()) {
  Deno.test(basename(path), async () => {
    const { error } = await runAsModule(await readNotebook(path), path);
    if (error !== null) fail(error);
  });
}
