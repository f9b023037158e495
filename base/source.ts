/** The hash of source files and of all that they reach, so that results of other code are never taken for theirs. */
import { namesIn, pathOf, readBytes, readText, statOf } from "./file.ts";
import { hashOf, sha256Hex } from "./hash.ts";

/** Types leave no trace in a result. */
const typesOnly = /^(?:import|export) type [^;]*;/gm;

/**
 * Hash of files, of all that they reach by imports, workers and modules beside them, and of folders of data. Names count as they are
 * below `root`. Where code comes from an address, the addresses are hashed: they name a version.
 */
export async function hashOfSources(
  root: URL,
  files: readonly URL[],
  folders: readonly URL[] = [],
): Promise<string> {
  const found = new Map<string, string>();
  for (const file of files) await follow(file, root, found);
  for (const folder of folders) await collect(folder, root, found);
  return hashOf([...found].map(([path, hash]) => `${path} ${hash}`).sort());
}

/** Any relative path in quotes that names a file: an import, a text, a worker, a WebAssembly module. */
async function follow(file: URL, root: URL, found: Map<string, string>): Promise<void> {
  if (!await add(file, root, found) || !/\.[cm]?[tj]sx?$/.test(file.href) || file.protocol !== "file:") {
    return;
  }
  const text = (await readText(file)).replaceAll(typesOnly, "");
  for (const [, path] of text.matchAll(/["'](\.{1,2}\/[^"'\n]+)["']/g)) {
    await follow(new URL(path, file), root, found);
  }
}

async function collect(folder: URL, root: URL, found: Map<string, string>): Promise<void> {
  if (folder.protocol !== "file:") return void await add(folder, root, found);
  for (const name of await namesIn(folder)) {
    const inside = new URL(encodeURIComponent(name), folder);
    if ((await statOf(inside))?.isDirectory) await collect(new URL(`${inside.href}/`), root, found);
    else await add(inside, root, found);
  }
}

/** Whether the file is there and was not known yet. */
async function add(file: URL, root: URL, found: Map<string, string>): Promise<boolean> {
  const base = pathOf(root), path = pathOf(file);
  const name = path.startsWith(base) ? path.slice(base.length).replaceAll("\\", "/") : path;
  if (found.has(name)) return false;
  if (file.protocol !== "file:") found.set(name, "");
  else if ((await statOf(file))?.isFile) found.set(name, sha256Hex(await readBytes(file)));
  return found.has(name);
}
