/**
 * Executes notebooks in place: `deno task notebooks [name ...]`, all of notebooks/*.ipynb without names.
 *
 * Outputs hold nothing that changes from run to run, so that a notebook whose numbers are unchanged is an unchanged
 * file. A notebook with a failing cell is written up to that cell, and the exit code is 1.
 */
import { basename, dirname } from "node:path";
import { writeAtomic } from "../../base/file.ts";
import { executeNotebook } from "./jupyter/execute.ts";
import { listNotebooks, notebookPath, readNotebook } from "./notebook/files.ts";
import { keepLock } from "./notebook/lock.ts";
import { formatNotebook, type Notebook } from "./notebook/notebook.ts";

/** Runs a notebook beside its file, reporting cells and progress on standard error; true when all cells succeeded. */
export async function runNotebook(notebook: Notebook, path: string, timeoutSeconds = 0): Promise<boolean> {
  const name = basename(path);
  const terminal = Deno.stderr.isTerminal();
  const started = performance.now();
  const results = await executeNotebook(notebook, {
    cwd: dirname(path),
    timeoutSeconds,
    onProgress: (text) => terminal && Deno.stderr.writeSync(new TextEncoder().encode(`\r\u001b[K  ${text}`)),
    onCell: ({ cell, error }) => {
      if (terminal) Deno.stderr.writeSync(new TextEncoder().encode("\r\u001b[K"));
      if (error !== null) console.error(`${name} cell [${cell}]: ${error}`);
    },
  });
  const ok = results.every((result) => result.error === null);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const slow = results.filter((result) => result.seconds >= 5).sort((a, b) => b.seconds - a.seconds).slice(
    0,
    3,
  )
    .map((result) => `[${result.cell}] ${result.seconds.toFixed(0)} s`).join(", ");
  console.error(
    `${name}: ${results.length} cells, ${seconds} s${slow && ` (${slow})`}${
      ok ? "" : ", stopped at the last one"
    }`,
  );
  return ok;
}

if (import.meta.main) {
  const paths = Deno.args.length > 0 ? Deno.args.map(notebookPath) : await listNotebooks();
  let ok = true;
  await using _lock = await keepLock();
  for (const path of paths) {
    const notebook = await readNotebook(path);
    ok = await runNotebook(notebook, path) && ok;
    // Half a notebook is worse than none.
    await writeAtomic(await Deno.realPath(path), [new TextEncoder().encode(formatNotebook(notebook))]);
  }
  if (!ok) Deno.exitCode = 1;
}
