/** What results are stored under: the hash of all that determines them. */
import { environmentVariable } from "../../base/environment.ts";
import { exists, namesIn, pathOf, readBytes, readText, statOf } from "../../base/file.ts";
import { hashOf, sha256Hex } from "../../base/hash.ts";
import { ResultsError } from "./contract.ts";

const root = new URL("../../", import.meta.url);

/** Where results are kept: `QUANTBOOK_CACHE`, or `.quantbook/results` in the project. */
export function resultsLocation(): string {
  return environmentVariable("QUANTBOOK_CACHE") ?? pathOf(new URL(".quantbook/results", root));
}

const sources = new Map<string, Promise<string>>();

/**
 * SHA-256 of the code that computes results, so that results of other code are never taken for ours: of files of the
 * project, of all that they reach by imports, workers and modules beside them, and of folders of data.
 */
export function sourceHash(entries: readonly string[], folders: readonly string[] = []): Promise<string> {
  const name = [...entries, ...folders].join();
  const known = sources.get(name) ?? hashSources(entries, folders);
  sources.set(name, known);
  return known;
}

async function hashSources(entries: readonly string[], folders: readonly string[]): Promise<string> {
  // An address names a version, and what lies there does not change.
  if (root.protocol !== "file:") return hashOf([root.href, ...entries, ...folders]);
  const found = new Map<string, string>();
  for (const entry of entries) {
    const file = new URL(entry, root);
    // In a package for Node, TypeScript has become JavaScript.
    await follow(await exists(file) ? file : new URL(entry.replace(/\.ts$/, ".js"), root), found);
  }
  if (found.size < entries.length) {
    throw new ResultsError("corrupt", `no sources of results at ${pathOf(root)}`);
  }
  for (const folder of folders) await collect(new URL(`${folder}/`, root), found);
  return hashOf([...found].map(([path, hash]) => `${path} ${hash}`).sort());
}

/** Types leave no trace in a result. */
const typesOnly = /^(?:import|export) type [^;]*;/gm;

/** Any relative path in quotes that names a file: an import, a text, a worker, a WebAssembly module. */
async function follow(file: URL, found: Map<string, string>): Promise<void> {
  if (!await hashFile(file, found) || !/\.[tj]s$/.test(file.pathname)) return;
  const text = (await readText(file)).replaceAll(typesOnly, "");
  for (const [, path] of text.matchAll(/"(\.{1,2}\/[^"\n]+)"/g)) await follow(new URL(path, file), found);
}

async function collect(directory: URL, found: Map<string, string>): Promise<void> {
  for (const name of await namesIn(directory)) {
    const { isDirectory } = await statOf(new URL(name, directory)) ?? { isDirectory: false };
    if (isDirectory) await collect(new URL(`${name}/`, directory), found);
    else await hashFile(new URL(name, directory), found);
  }
}

/** Whether the file is there and was not known yet. */
async function hashFile(file: URL, found: Map<string, string>): Promise<boolean> {
  const path = file.pathname.slice(root.pathname.length);
  if (found.has(path) || !(await statOf(file))?.isFile) return false;
  found.set(path, sha256Hex(await readBytes(file)));
  return true;
}
