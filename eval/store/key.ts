/** What results are stored under: the hash of all that determines them. */
import { hashOf } from "../../base/hash.ts";

const root = new URL("../../", import.meta.url);

/** Where results are kept: `QUANTBOOK_CACHE`, or `.quantbook/results` in the project. */
export function resultsLocation(): string {
  return Deno.env.get("QUANTBOOK_CACHE") ?? new URL(".quantbook/results", root).pathname;
}

const sources = new Map<string, Promise<string>>();

/** SHA-256 of the code that computes results, so that results of other code are never taken for ours; `more` are directories. */
export function sourceHash(more: readonly string[] = []): Promise<string> {
  const known = sources.get(more.join()) ?? hashSources(more);
  sources.set(more.join(), known);
  return known;
}

async function hashSources(more: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const room of ["kernels", "model", "quant", ...more]) await collect(new URL(`${room}/`, root), parts);
  // The rest of this room reads results but makes none.
  for (const name of ["divergence", "measure", "perplexity", "score", "sweep"]) {
    await hashFile(new URL(`eval/${name}.ts`, root), parts);
  }
  return await hashOf(parts.sort());
}

async function collect(directory: URL, parts: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) await collect(new URL(`${name}/`, directory), parts);
    else if (/\.(ts|wasm|wgsl|jsonl)$/.test(name) && !/_(test|bench)\.ts$/.test(name)) {
      await hashFile(new URL(name, directory), parts);
    }
  }
}

async function hashFile(file: URL, parts: string[]): Promise<void> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(file));
  parts.push(`${file.pathname.slice(root.pathname.length)} ${new Uint8Array(digest).toHex()}`);
}
