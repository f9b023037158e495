/**
 * Runs a notebook as a plain module, without Jupyter: its cells in order, in a process of their own.
 *
 * This is how tests run notebooks. Nothing is transpiled away, so a failed assertion names its cell and line.
 */
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { cellModule, codeCells, writeModule } from "./notebook/cells.ts";
import type { Shown } from "./display/emit.ts";
import type { Notebook } from "./notebook/notebook.ts";

/** How a notebook fared as a module. */
export interface ModuleRun {
  /** Null when every cell succeeded; else the error with positions such as `rtn.ipynb cell [2] line 3:1`. */
  readonly error: string | null;
  /** What was shown, cell by cell. */
  readonly shown: readonly Shown[];
}

const EMIT = pathToFileURL(join(import.meta.dirname ?? ".", "display/emit.ts")).href;

/** Runs the code cells of a notebook in the folder of `path`, with `env` added to the environment. */
export async function runAsModule(
  notebook: Notebook,
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ModuleRun> {
  const shownFile = await Deno.makeTempFile({ prefix: "quantbook-shown-" });
  try {
    const imports = `import { beginCell as __begin, takeShown as __take } from ${JSON.stringify(EMIT)};`;
    const last = `await Deno.writeTextFile(${JSON.stringify(shownFile)}, JSON.stringify(__take()));`;
    const before = (cell: number) => `${cell === 1 ? imports : ""}__begin(${cell});`;
    const source = cellModule(notebook, before, codeCells(notebook).length > 0 ? last : "");
    await using module = await writeModule(path, source);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "-A", basename(module.path)],
      cwd: dirname(path),
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "null",
    });
    const { success, stderr } = await command.output();
    const error = success ? null : module.mapBack(new TextDecoder().decode(stderr)).trim();
    const text = await Deno.readTextFile(shownFile);
    return { error, shown: text === "" ? [] : JSON.parse(text) as Shown[] };
  } finally {
    await Deno.remove(shownFile);
  }
}
