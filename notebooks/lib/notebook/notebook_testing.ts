/** Small notebooks for tests. */
import type { Notebook, NotebookCell } from "./notebook.ts";

/** A notebook of code cells. */
export function notebookOf(...sources: readonly string[]): Notebook {
  return notebookWith(sources.map((source) => ({
    cell_type: "code",
    metadata: {},
    source,
    outputs: [],
    execution_count: null,
  })));
}

/** A notebook of any cells. */
export function notebookWith(cells: NotebookCell[]): Notebook {
  return { cells, metadata: { kernelspec: { name: "deno" } }, nbformat: 4, nbformat_minor: 5 };
}
