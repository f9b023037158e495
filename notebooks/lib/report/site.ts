/** Writes the whole site: the pages of all notebooks and the pages that are made of data. */
import { join } from "node:path";
import { directoryOf, makeDirectory, writeAtomic } from "../../../base/file.ts";
import { escapeHtml } from "../html.ts";
import { objectAt } from "../json.ts";
import { ownPage } from "../live/own/page.ts";
import { type ClaimRow, claimsPage } from "./claims_page.ts";
import { errataPage, type ErratumRow } from "./errata_page.ts";
import { indexPage } from "./index_page.ts";
import { methodsPage } from "./methods_page.ts";
import type { MethodEntry } from "../../methods.ts";
import { type Executed, notebookPage } from "./notebook_page.ts";
import { type Page, renderPage } from "./page.ts";

/** Everything that the site is made of. */
export interface Site {
  readonly notebooks: readonly Executed[];
  readonly claims: readonly ClaimRow[];
  readonly errata: readonly ErratumRow[];
  readonly methods: readonly MethodEntry[];
  readonly build: Build;
  /** By notebook: what its page measures in its reader's browser. */
  readonly live?: ReadonlyMap<string, string>;
}

/** What was built, when and where. */
export interface Build {
  /** `YYYY-MM-DD`. */
  readonly date: string;
  readonly commit: string | null;
  /** The address of a file of the repository, `null` when the repository has no public address. */
  readonly sourceUrl: (path: string, line?: number) => string | null;
  /** The root of the repository, from which excerpts of methods are read. */
  readonly root: string;
}

/** Renders all pages as file name -> HTML. */
export async function renderSite(
  { notebooks, claims, errata, methods, build, live }: Site,
): Promise<Map<string, string>> {
  const ordered = notebooks.toSorted((a, b) => a.about.order - b.about.order || (a.name < b.name ? -1 : 1));
  const names = new Set(ordered.map((notebook) => notebook.name));
  const run = { date: build.date, device: deviceOf(ordered) };
  const pages: Page[] = [
    await indexPage(ordered, claims, errata, methods, run, build.sourceUrl),
    ...await Promise.all(
      ordered.map((notebook) => notebookPage(notebook, build.sourceUrl, live?.get(notebook.name))),
    ),
    claimsPage(claims),
    errataPage(errata),
    await methodsPage(methods, names, build.root, build.sourceUrl),
    ownPage,
  ];
  const footer = footerOf(build);
  return new Map(pages.map((page) => [page.file, renderPage(page, footer)]));
}

/** Replaces the contents of a folder by the pages and what they load, once all are written. */
export async function writeSite(
  pages: ReadonlyMap<string, string>,
  folder: string,
  assets: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<void> {
  const fresh = `${folder}.${crypto.randomUUID().slice(0, 8)}.part`;
  try {
    await makeDirectory(fresh);
    for (const [file, html] of pages) await writeAtomic(join(fresh, file), [new TextEncoder().encode(html)]);
    for (const [path, bytes] of assets) {
      await makeDirectory(join(fresh, directoryOf(path)));
      await writeAtomic(join(fresh, path), [bytes]);
    }
    await Deno.remove(folder, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await Deno.rename(fresh, folder);
  } finally {
    await Deno.remove(fresh, { recursive: true }).catch(() => {});
  }
}

/** What stands below every page. */
export function footerOf({ commit, date, sourceUrl }: Omit<Build, "root">): string {
  const url = sourceUrl("README.md");
  const short = commit?.slice(0, 10);
  const built = short
    ? `Built on ${escapeHtml(date)} from commit <code>${escapeHtml(short)}</code>.`
    : `Built on ${escapeHtml(date)}.`;
  const source = url ? ` <a href="${escapeHtml(url)}">Source</a>.` : "";
  return `<p>${built} Every page is one file that loads nothing unless you press its button.${source}</p>`;
}

/** The device that the notebooks name in their provenance. */
function deviceOf(notebooks: readonly Executed[]): string {
  const devices = notebooks.flatMap(({ notebook }) =>
    notebook.cells.flatMap((cell) => (cell.cell_type === "code" ? cell.outputs : [])).flatMap((output) => {
      const facts = "metadata" in output ? objectAt(objectAt(output.metadata, "quantbook"), "facts") : {};
      return typeof facts.device === "string" ? [facts.device] : [];
    })
  );
  return [...new Set(devices)].join(", ") || `${Deno.build.os} ${Deno.build.arch}`;
}
