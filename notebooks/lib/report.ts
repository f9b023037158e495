/**
 * Builds the published report: `deno task report [--all] [--fresh] [--out folder] [name ...]`.
 *
 * Executes notebooks (or takes the outputs of an earlier run of the same sources) and writes `site/`. Without names these
 * are the two of the tour, which take minutes; `--all` executes every notebook. The others appear with the outputs that
 * they were committed with. A notebook that fails is still rendered, with its error, and the exit code is 1.
 */
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { listNotebooks, ROOT } from "./files.ts";
import { readBuild } from "./report/build.ts";
import { readData } from "./report/data.ts";
import { committed, executed, type Run, sourceHash } from "./report/executed.ts";
import { renderSite, writeSite } from "./report/site.ts";

/** The notebooks that a build executes by default. */
const TOUR = ["rtn", "smoothquant"];

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: {
      all: { type: "boolean", default: false },
      fresh: { type: "boolean", default: false },
      out: { type: "string", default: "site" },
    },
    allowPositionals: true,
  });
  const chosen = positionals.length > 0 ? positionals : TOUR;
  const sources = await sourceHash();
  const notebooks: Run[] = [];
  // One after the other: each notebook uses all cores.
  for (const path of await listNotebooks()) {
    if (!values.all && !chosen.includes(basename(path, ".ipynb"))) {
      const run = await committed(path);
      if (run !== null) notebooks.push(run);
      continue;
    }
    const run = await executed(path, sources, undefined, values.fresh);
    console.error(`${run.name}: ${run.cached ? "unchanged" : `${run.seconds.toFixed(1)} s`}`);
    if (run.error !== null) console.error(run.error);
    notebooks.push(run);
  }
  const folder = resolve(ROOT, values.out);
  const pages = await renderSite({ notebooks, ...await readData(notebooks), build: await readBuild() });
  await writeSite(pages, folder);
  const bytes = [...pages.values()].reduce((sum, html) => sum + html.length, 0);
  console.log(`${folder}: ${pages.size} pages, ${Math.ceil(bytes / 1024)} KiB`);
  if (notebooks.some((run) => run.error !== null)) Deno.exit(1);
}
