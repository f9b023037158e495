/** What results are stored under: the hash of all that determines them. */
import { environmentVariable } from "../../base/environment.ts";
import { pathOf } from "../../base/file.ts";
import { hashOfSources } from "../../base/source.ts";

const root = new URL("../../", import.meta.url);

/** Where results are kept: `QUANTBOOK_CACHE`, or `.quantbook/results` in the project. */
export function resultsLocation(): string {
  return environmentVariable("QUANTBOOK_CACHE") ?? pathOf(new URL(".quantbook/results", root));
}

const sources = new Map<string, Promise<string>>();

/** SHA-256 of files of the project and all that they reach, and of folders of data; hashed once per process. */
export function sourceHash(entries: readonly string[], folders: readonly string[] = []): Promise<string> {
  const name = [...entries, ...folders].join();
  // In a package for Node, TypeScript has become JavaScript.
  const ours = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const files = entries.map((entry) => new URL(entry.replace(/\.ts$/, ours), root));
  const known = sources.get(name) ??
    hashOfSources(root, files, folders.map((folder) => new URL(`${folder}/`, root)));
  sources.set(name, known);
  return known;
}
