/** Where notebooks lie on disk, and how to read one. */
import { basename, join, resolve } from "node:path";
import { type Notebook, NotebookError, parseNotebook } from "./notebook.ts";

/** The root of the repository. */
export const ROOT = resolve(import.meta.dirname ?? ".", "../../..");

/** The folder of the suite's notebooks. */
export const NOTEBOOKS = join(ROOT, "notebooks");

/** The paths of the notebooks in a folder, by name. */
export async function listNotebooks(folder = NOTEBOOKS): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && entry.name.endsWith(".ipynb") && !entry.name.startsWith(".")) {
      paths.push(join(folder, entry.name));
    }
  }
  return paths.sort();
}

/** Reads and validates the notebook at a path. */
export async function readNotebook(path: string): Promise<Notebook> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new NotebookError("missing", `Cannot read ${basename(path)}: no file at ${path}`);
  }
  return parseNotebook(bytes, basename(path));
}

/** The path that a command-line argument means: a path, or the bare name of a notebook of the suite. */
export function notebookPath(argument: string): string {
  return /[/\\]|\.ipynb$/.test(argument) ? resolve(argument) : join(NOTEBOOKS, `${argument}.ipynb`);
}
