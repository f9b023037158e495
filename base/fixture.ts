/** Files that come with the suite, wherever it lies: in a checkout, in a package, or behind an address that modules are loaded from. */
import { sha256Hex } from "./hash.ts";
import { environmentVariable } from "./environment.ts";
import { QuantbookError } from "./error.ts";
import { directoryOf, exists, makeDirectory, pathOf, readBytes, writeAtomic } from "./file.ts";

/** A file does not come with this package, or its address does not give it: code `"fixture"`. */
export class FixtureError extends QuantbookError {}

/** By path: what a package has. */
type Packaged = Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;

/**
 * The path of a file or directory under `fixtures/`, such as `"models/llama"`. From an address it is fetched once and kept in the
 * user's cache.
 *
 * @throws {FixtureError} when it is not there
 */
export async function fixture(
  name: string,
  root: URL = new URL("../fixtures/", import.meta.url),
): Promise<string> {
  if (root.protocol !== "file:") return await fetched(name, root);
  const path = pathOf(new URL(name, root));
  if (await exists(path)) return path;
  throw missing(name, root);
}

function missing(name: string, root: URL, why = "is not in this package"): FixtureError {
  return new FixtureError(
    "fixture",
    `fixtures/${name} ${why} (${
      pathOf(root)
    }). A package has the models llama and llama-outlier, the texts, tasks and claims; ` +
      "all others are in a checkout of the repository",
  );
}

async function fetched(name: string, root: URL): Promise<string> {
  const list = "packaged.json";
  const folder = `${cacheFolder()}/quantbook/fixtures/${
    sha256Hex(new TextEncoder().encode(root.href)).slice(0, 16)
  }`;
  const packaged: Packaged = JSON.parse(new TextDecoder().decode(await download(list, root)));
  const files = Object.entries(packaged).filter(([path]) =>
    path === name || path.startsWith(`${name.replace(/\/$/, "")}/`)
  );
  if (files.length === 0) throw missing(name, root);
  for (const [path, { sha256 }] of files) {
    const target = `${folder}/${path}`;
    if (await exists(target) && sha256Hex(await readBytes(target)) === sha256) continue;
    const bytes = await download(path, root);
    if (sha256Hex(bytes) !== sha256) throw missing(path, root, "is not what the package lists");
    await makeDirectory(directoryOf(target));
    await writeAtomic(target, [bytes]);
  }
  return `${folder}/${name}`;
}

async function download(path: string, root: URL): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(new URL(path, root));
  if (!response.ok) throw missing(path, root, `cannot be fetched: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Where programs keep what they can get again. */
function cacheFolder(): string {
  const home = environmentVariable("HOME") ?? environmentVariable("USERPROFILE") ?? ".";
  return environmentVariable("XDG_CACHE_HOME") ?? environmentVariable("LOCALAPPDATA") ?? `${home}/.cache`;
}
