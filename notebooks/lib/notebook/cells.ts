/** The code cells of a notebook as one plain TypeScript module, and the way back from its lines to cells. */
import { basename, dirname, join } from "node:path";
import type { CodeCell, Notebook } from "./notebook.ts";

/** A place in a notebook, as editors number it: `cell` 1 is the first code cell that holds code, Jupyter's `[1]`. */
export interface CellPlace {
  readonly cell: number;
  readonly line: number;
}

/** A generated module whose line numbers can be mapped back. */
export interface CellModule {
  readonly text: string;
  /** The place of a 1-based line of the module; null for a line that belongs to no cell. */
  locate(line: number): CellPlace | null;
}

/** The code cells that are not empty. */
export function codeCells(notebook: Notebook): CodeCell[] {
  return notebook.cells.filter((cell) => cell.cell_type === "code").filter((cell) =>
    cell.source.trim() !== ""
  );
}

/**
 * Joins the cells, each on lines of its own. `before(n)` is code put on the line above cell `n`, `after` below all;
 * neither shifts the lines within a cell.
 */
export function cellModule(
  notebook: Notebook,
  before: (cell: number) => string = () => "",
  after = "",
): CellModule {
  const lines = ["export {};"];
  const places: (CellPlace | null)[] = [null];
  for (const [index, { source }] of codeCells(notebook).entries()) {
    lines.push(`;${before(index + 1)}`);
    places.push(null);
    for (const [row, line] of source.replace(/\n$/, "").split("\n").entries()) {
      lines.push(line);
      places.push({ cell: index + 1, line: row + 1 });
    }
  }
  lines.push(`;${after}`);
  return { text: lines.join("\n") + "\n", locate: (line) => places[line - 1] ?? null };
}

/** A module written beside its notebook, where relative imports mean the same; disposal removes the file. */
export interface ModuleFile extends AsyncDisposable {
  readonly path: string;
  /** Replaces each `file:///...:L:C` of this module in a text by `name.ipynb cell [N] line L:C`. */
  mapBack(text: string): string;
}

/** Writes a cell module beside its notebook, under a name that no other process uses. */
export async function writeModule(notebookPath: string, module: CellModule): Promise<ModuleFile> {
  const name = basename(notebookPath);
  const unique = crypto.randomUUID().slice(0, 8);
  const path = join(dirname(notebookPath), `.check.${name.replace(/\.ipynb$/, "")}.${unique}.ts`);
  await Deno.writeTextFile(path, module.text);
  // Addresses escape more or less of a path; the unique part is the same in all. Stack traces and `deno check` write ":L:C",
  // `deno lint --compact` writes ": line L, col C".
  const position = new RegExp(
    `file://\\S*?${unique}\\.ts(?::(?: line )?(\\d+)(?:(?::|, col )(\\d+))?)?`,
    "g",
  );
  return {
    path,
    mapBack: (text) =>
      text.replaceAll(position, (_, line?: string, column?: string) => {
        const place = line === undefined ? null : module.locate(Number(line));
        return place ? `${name} cell [${place.cell}] line ${place.line}${column ? `:${column}` : ""}` : name;
      }),
    [Symbol.asyncDispose]: () => Deno.remove(path),
  };
}
