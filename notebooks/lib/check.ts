/**
 * Type-checks and lints the code cells of notebooks, which `deno check` and `deno lint` do not read.
 *
 * Each notebook becomes one module beside it, one `deno check` sees them all, and its positions are mapped back to
 * cells. Run it as `deno run -A notebooks/lib/check.ts [notebook.ipynb ...]`; without names it checks notebooks/*.ipynb.
 */
import { cellModule, type ModuleFile, writeModule } from "./notebook/cells.ts";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { listNotebooks, readNotebook, ROOT } from "./notebook/files.ts";
import { NotebookError } from "./notebook/notebook.ts";

/** What the checker found. */
export interface CheckReport {
  readonly ok: boolean;
  /** Diagnostics with positions such as `gptq.ipynb cell [2] line 3:7`; empty when all is well. */
  readonly text: string;
}

/** Checks notebooks together; unreadable ones are reported, not thrown. */
export async function checkNotebooks(paths: readonly string[]): Promise<CheckReport> {
  const complaints: string[] = [];
  await using stack = new AsyncDisposableStack();
  const modules: ModuleFile[] = [];
  for (const path of paths) {
    try {
      modules.push(stack.use(await writeModule(path, cellModule(await readNotebook(path)))));
    } catch (error) {
      if (!(error instanceof NotebookError)) throw error;
      complaints.push(error.message);
    }
  }
  if (modules.length > 0) {
    // A path would be taken for a pattern.
    const files = modules.map((module) => pathToFileURL(module.path).href);
    const reports = await Promise.all([
      deno(["check", "--quiet", `--lock=${join(ROOT, "heavy.lock")}`, ...files]),
      deno(["lint", "--quiet", "--compact", ...files]),
    ]);
    for (const report of reports) {
      if (!report.ok) {
        complaints.push(modules.reduce((text, module) => module.mapBack(text), report.text).trim());
      }
    }
  }
  return { ok: complaints.length === 0, text: complaints.join("\n\n") };
}

async function deno(args: readonly string[]): Promise<CheckReport> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stderr) + decoder.decode(stdout);
  return {
    ok: success,
    text: text.replaceAll(/^(?:Stack backtrace:|\s+\d+: <unknown>|error: Type checking failed\.)\n?/gm, ""),
  };
}

if (import.meta.main) {
  const paths = Deno.args.length > 0 ? Deno.args : await listNotebooks();
  const { ok, text } = await checkNotebooks(paths);
  if (!ok) {
    console.error(text);
    Deno.exit(1);
  }
  console.log(`${paths.length} notebooks: types and lint are clean`);
}
