/** What results are stored under: the hash of all that determines them. */
import { hashOf } from "../../base/hash.ts";

const root = new URL("../../", import.meta.url);

/** Where results are kept: `QUANTBOOK_CACHE`, or `.quantbook/results` in the project. */
export function resultsLocation(): string {
  return Deno.env.get("QUANTBOOK_CACHE") ?? new URL(".quantbook/results", root).pathname;
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
  const found = new Map<string, string>();
  for (const entry of entries) await follow(new URL(entry, root), found);
  for (const folder of folders) await collect(new URL(`${folder}/`, root), found);
  return await hashOf([...found].map(([path, hash]) => `${path} ${hash}`).sort());
}

/** Types leave no trace in a result. */
const typesOnly = /^(?:import|export) type [^;]*;/gm;

/** Any relative path in quotes that names a file: an import, a text, a worker, a WebAssembly module. */
async function follow(file: URL, found: Map<string, string>): Promise<void> {
  if (!await hashFile(file, found) || !file.pathname.endsWith(".ts")) return;
  const text = (await Deno.readTextFile(file)).replaceAll(typesOnly, "");
  for (const [, path] of text.matchAll(/"(\.{1,2}\/[^"\n]+)"/g)) await follow(new URL(path, file), found);
}

async function collect(directory: URL, found: Map<string, string>): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) await collect(new URL(`${name}/`, directory), found);
    else await hashFile(new URL(name, directory), found);
  }
}

/** Whether the file is there and was not known yet. */
async function hashFile(file: URL, found: Map<string, string>): Promise<boolean> {
  const path = file.pathname.slice(root.pathname.length);
  if (found.has(path) || !await Deno.stat(file).then(({ isFile }) => isFile, () => false)) return false;
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(file));
  found.set(path, new Uint8Array(digest).toHex());
  return true;
}
