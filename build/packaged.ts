/**
 * `deno run -A build/packaged.ts`: lists the fixtures that a package has in `fixtures/packaged.json`, so that one that is loaded from
 * an address knows what to fetch.
 */
import { namesIn, pathOf, readBytes, statOf, writeAtomic } from "../base/file.ts";
import { sha256Hex } from "../base/hash.ts";
import config from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url);
const list = "fixtures/packaged.json";

/** Path under `fixtures/`, size and hash of each, sorted. */
export async function packagedFixtures(): Promise<Record<string, { bytes: number; sha256: string }>> {
  const found: Record<string, { bytes: number; sha256: string }> = {};
  const visit = async (path: string) => {
    const url = new URL(path, root);
    if ((await statOf(url))?.isDirectory) {
      for (const name of await namesIn(url)) await visit(`${path}/${name}`);
      return;
    }
    const bytes = await readBytes(url);
    found[path.slice("fixtures/".length)] = { bytes: bytes.length, sha256: sha256Hex(bytes) };
  };
  for (const path of config.publish.include) {
    if (path.startsWith("fixtures/") && path !== list) await visit(path);
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a < b ? -1 : 1));
}

if (import.meta.main) {
  const text = JSON.stringify(await packagedFixtures(), null, 1);
  await writeAtomic(pathOf(new URL(list, root)), [new TextEncoder().encode(`${text}\n`)]);
}
