/** A notebook's page as one file, which is opened from a disk: what its button would load is inside. */
import { basename } from "node:path";
import { UsageError } from "../../../cli/command_line.ts";
import { listNotebooks } from "../notebook/files.ts";
import { readBuild } from "../report/build.ts";
import { committed } from "../report/executed.ts";
import { notebookPage } from "../report/notebook_page.ts";
import { renderPage } from "../report/page.ts";
import { footerOf } from "../report/site.ts";
import { insideOf, liveAssets } from "./assets.ts";
import { liveTables } from "./tables.ts";
import { storedRuns } from "./record.ts";
import { liveSection } from "./section.ts";

/**
 * The page of a notebook, with its committed outputs.
 *
 * @throws {UsageError} when it measures nothing in its reader's browser, or was committed without outputs
 */
export async function singlePage(notebook: string, usage: string): Promise<string> {
  const table = liveTables.find((one) => one.notebook === notebook);
  if (table === undefined) {
    const names = liveTables.map((one) => one.notebook).join(", ");
    throw new UsageError(
      `no page ${notebook} that measures in its reader's browser: expected ${names}`,
      usage,
    );
  }
  const path = (await listNotebooks()).find((one) => basename(one, ".ipynb") === notebook);
  const run = path === undefined ? null : await committed(path);
  if (run === null) throw new UsageError(`${notebook}.ipynb was committed without outputs`, usage);
  const build = await readBuild(), section = liveSection(table, await storedRuns(), null);
  const page = await notebookPage(run, build.sourceUrl, section);
  return renderPage({ ...page, inside: insideOf(await liveAssets(), notebook) }, footerOf(build));
}
