/**
 * Builds the published report: `deno task report [--all] [--fresh] [--committed] [--out folder] [name ...]`,
 * or `deno task report --single name [--out file]`.
 *
 * Executes notebooks (or takes the outputs of an earlier run of the same sources) and writes `site/`. Without names these
 * are the two of the tour, which take minutes; `--all` executes every notebook. The others appear with the outputs that
 * they were committed with; with `--committed` all do, and nothing is executed. A notebook that fails is still rendered, with its error, and the exit code is 1.
 * `--single` writes the page of one notebook, with the outputs that it was committed with, as a file that needs no server: what its button
 * would load is inside.
 */
import { basename, resolve } from "node:path";
import { directoryOf, makeDirectory, writeAtomic } from "../../base/file.ts";
import { commandLine, runCommand, UsageError } from "../../cli/command_line.ts";
import { liveAssets, loadedBytes } from "./live/assets.ts";
import { liveTables } from "./live/tables.ts";
import { storedRuns } from "./live/record.ts";
import { liveSection } from "./live/section.ts";
import { singlePage } from "./live/single.ts";
import { listNotebooks, ROOT } from "./notebook/files.ts";
import { keepLock } from "./notebook/lock.ts";
import { readBuild } from "./report/build.ts";
import { readData } from "./report/data.ts";
import { committed, executed, type Run, sourceHash } from "./report/executed.ts";
import { renderSite, writeSite } from "./report/site.ts";

/** The notebooks that a build executes by default. */
const TOUR = ["rtn", "smoothquant"];

const usage = "usage: deno task report [--all] [--fresh] [--committed] [--out FOLDER] [NOTEBOOK...]\n" +
  "       deno task report --single NOTEBOOK [--out FILE]";

async function main(): Promise<number> {
  const { values, positionals } = commandLine(usage, {
    all: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
    committed: { type: "boolean", default: false },
    single: { type: "string" },
    out: { type: "string" },
  });
  if (values.single !== undefined) {
    const { single, out = `site/single/${single}.html`, all, fresh, committed } = values;
    if (all || fresh || committed || positionals.length > 0) {
      throw new UsageError(
        "--single takes one notebook as it was committed, and only --out beside it",
        usage,
      );
    }
    const page = await singlePage(single, usage), file = resolve(ROOT, out);
    await makeDirectory(directoryOf(file));
    await writeAtomic(file, [new TextEncoder().encode(page)]);
    console.log(`${file}: one file of ${(page.length / 1e6).toFixed(1)} MB, which needs no server`);
    return 0;
  }
  const chosen = values.committed ? [] : positionals.length > 0 ? positionals : TOUR;
  const sources = await sourceHash();
  const paths = await listNotebooks(), names = paths.map((path) => basename(path, ".ipynb"));
  const unknown = chosen.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`no notebook ${unknown}: expected ${names.join(", ")}`, usage);
  }
  const wanted = paths.filter((path) =>
    !values.committed && (values.all || chosen.includes(basename(path, ".ipynb")))
  );
  const runs = new Map<string, Run | null>();
  for (const path of paths) runs.set(path, wanted.includes(path) ? null : await committed(path));
  // Side by side, the cores shared out: a notebook alone does not keep all of them busy. Each may hold a gigabyte.
  const cores = navigator.hardwareConcurrency, lanes = Math.max(1, Math.min(cores, wanted.length, 4));
  const env = { QUANTBOOK_THREADS: Deno.env.get("QUANTBOOK_THREADS") ?? String(Math.floor(cores / lanes)) };
  await using _lock = await keepLock();
  const queue = wanted.values();
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (const path of queue) {
      const name = basename(path, ".ipynb");
      const run = await executed(path, sources, { fresh: values.fresh, env, onProgress: teller(name) });
      console.error(`${name}: ${run.cached ? "unchanged" : `done in ${run.seconds.toFixed(1)} s`}`);
      if (run.error !== null) console.error(run.error);
      runs.set(path, run);
    }
  }));
  const notebooks = [...runs.values()].filter((run) => run !== null);
  const folder = resolve(ROOT, values.out ?? "site");
  const assets = await liveAssets(), stored = await storedRuns();
  const live = new Map(
    liveTables.map((table) => [
      table.notebook,
      liveSection(table, stored, loadedBytes(assets, table.notebook)),
    ]),
  );
  const pages = await renderSite({ notebooks, ...await readData(notebooks), build: await readBuild(), live });
  await writeSite(pages, folder, assets);
  const bytes = [...pages.values()].reduce((sum, html) => sum + html.length, 0);
  console.log(`${folder}: ${pages.size} pages, ${Math.ceil(bytes / 1024)} KiB`);
  return notebooks.some((run) => run.error !== null) ? 1 : 0;
}

/** Tells how far a notebook is: what it measured first, and then every ten seconds. */
function teller(name: string): (text: string) => void {
  let next = 0;
  return (text) => {
    if (!text.includes(" · ") || performance.now() < next) return;
    next = performance.now() + 10_000;
    console.error(`${name}: ${text}`);
  };
}

if (import.meta.main) await runCommand(main);
