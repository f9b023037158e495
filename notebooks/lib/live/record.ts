/** Measures the cells of the pages in Deno and stores them: `deno run -A notebooks/lib/live/record.ts [NOTEBOOK ...]`. */
import { fixture } from "../../../base/fixture.ts";
import { pathOf, readText, writeAtomic } from "../../../base/file.ts";
import { measureInPage, type PageMeasure } from "../../../browser.ts";
import { cellName, choicesOf, liveTexts, runOf } from "./cells.ts";
import { type Choice, type LiveTable, liveTables } from "./tables.ts";

/** What is stored of a cell. */
export interface StoredRun extends Omit<PageMeasure, "windowNll"> {
  readonly windowNll: readonly number[];
}

/** The stored runs by the names of their cells. */
export async function storedRuns(): Promise<Readonly<Record<string, StoredRun>>> {
  return JSON.parse(await readText(await fixture("results/live.json")));
}

/** Measures a cell here, as a page does. */
export async function recordCell(table: LiveTable, choice: Choice): Promise<StoredRun> {
  return await measureInPage(runOf(table, choice, await liveTexts()));
}

if (import.meta.main) {
  const all: Record<string, StoredRun> = {}, stored = await storedRuns(), named = Deno.args;
  for (const table of liveTables) {
    for (const choice of choicesOf(table)) {
      const name = cellName(table, choice), start = performance.now();
      // Of pages that are not named what is stored stays.
      const kept = named.length > 0 && !named.includes(table.notebook);
      all[name] = kept ? stored[name] : await recordCell(table, choice);
      if (!kept) {
        console.log(`${name}: ${all[name].perplexity}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
      }
    }
  }
  const path = pathOf(new URL("../../../fixtures/results/live.json", import.meta.url));
  await writeAtomic(path, [new TextEncoder().encode(`${JSON.stringify(all, null, 1)}\n`)]);
}
