import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import type { Shown } from "./display/emit.ts";
import { executeNotebook } from "./jupyter/execute.ts";
import { NOTEBOOKS } from "./notebook/files.ts";
import { notebookOf } from "./notebook/notebook_testing.ts";
import { runAsModule } from "./module.ts";
import type { Notebook } from "./notebook/notebook.ts";

const path = join(NOTEBOOKS, "module_test.ipynb");

/** What the kernel's displays hold, cell by cell, as a module's run would report it. */
function shownBy(notebook: Notebook): Shown[] {
  return notebook.cells.flatMap((cell, i) =>
    cell.cell_type !== "code"
      ? []
      : cell.outputs.flatMap((output) =>
        output.output_type === "display_data"
          ? [{ cell: i + 1, data: output.data, metadata: output.metadata }]
          : []
      )
  );
}

Deno.test("a notebook shows the same tables, plots and verdicts in the kernel and as a plain module", async () => {
  const notebook = notebookOf(
    'import { markdown, plot, progress, provenance, show, table, verdict } from "quantbook/display";',
    `const rows = [0.4, 0.5].map((alpha) => ({ alpha, perplexity: { value: 20 + alpha, standardError: 0.12 } }));
const line = progress("rows", rows.length);
for (const row of rows) line.step(String(row.alpha));
await line.done();
await show(table(rows, { caption: "Fake" }), markdown("*two* rows"));`,
    `await show(
  plot({
    data: { values: rows.map(({ alpha, perplexity }) => ({ alpha, perplexity: perplexity.value })) },
    mark: "line",
    encoding: { x: { field: "alpha", type: "quantitative" }, y: { field: "perplexity", type: "quantitative" } },
  }, { alt: "It rises." }),
  verdict({ status: "trend", title: "It rises", detail: "by 0.1" }),
  provenance({ device: "none" }),
);`,
  );
  const results = await executeNotebook(notebook, { cwd: NOTEBOOKS });
  assertEquals(results.map((result) => result.error), [null, null, null]);
  const run = await runAsModule(notebook, path);
  assertEquals(run.error, null);
  assertEquals(run.shown.map((shown) => shown.cell), [2, 2, 3, 3, 3]);
  assertEquals(run.shown, shownBy(notebook));
  assert(String(run.shown[0].data["text/plain"]).includes("20.40 ± 0.12"));
});

Deno.test("a failed assertion is placed in its cell and line, and names what differs", async () => {
  const notebook = notebookOf(
    'import { assertEquals } from "@std/assert";',
    "",
    "const a = 1;\n\nassertEquals(a, 2);",
  );
  const { error } = await runAsModule(notebook, path);
  assertStringIncludes(error ?? "", "module_test.ipynb cell [2] line 3:1");
  assertStringIncludes(error ?? "", "1 !== 2");
});

Deno.test("the module's file is gone afterwards", () => {
  const left = [...Deno.readDirSync(NOTEBOOKS)].filter((entry) =>
    entry.name.startsWith(".check.module_test")
  );
  assertEquals(left, []);
});
