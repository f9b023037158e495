/**
 * The results store: one JSON file per measured cell, named by the hash of all that determines its value. A re-run
 * finds what is there; a killed run loses only the cell it was in.
 */
import { QuantbookError } from "../kernels/error.ts";

/** A stored result cannot be read or written: `"corrupt"`, `"unwritable"`. */
export class ResultsError extends QuantbookError {}

const root = new URL("../", import.meta.url);

/** Directory of results: `QUANTBOOK_CACHE`, or `.quantbook/results` in the project. */
export function resultsDirectory(): string {
  return Deno.env.get("QUANTBOOK_CACHE") ?? new URL(".quantbook/results", root).pathname;
}

let sources: Promise<string> | null = null;

/** SHA-256 of the code that computes results, so that results of other code are never taken for ours. */
export function sourceHash(): Promise<string> {
  return sources ??= hashSources();
}

async function hashSources(): Promise<string> {
  const parts: string[] = [];
  for (const room of ["kernels", "model", "quant"]) await collect(new URL(`${room}/`, root), parts);
  // The rest of this room reads results but makes none.
  for (const name of ["divergence", "measure", "perplexity", "score", "sweep"]) {
    await hashFile(new URL(`eval/${name}.ts`, root), parts);
  }
  return await hashOf(parts.sort());
}

async function collect(directory: URL, parts: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) await collect(new URL(`${name}/`, directory), parts);
    else if (/\.(ts|wasm|wgsl)$/.test(name) && !/_(test|bench)\.ts$/.test(name)) {
      await hashFile(new URL(name, directory), parts);
    }
  }
}

async function hashFile(file: URL, parts: string[]): Promise<void> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(file));
  parts.push(`${file.pathname.slice(root.pathname.length)} ${new Uint8Array(digest).toHex()}`);
}

/** SHA-256 of a JSON value. */
export async function hashOf(value: unknown): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(value)));
  return new Uint8Array(digest).toHex();
}

/** The stored result of a key, or undefined. */
export async function readResult(key: string, directory = resultsDirectory()): Promise<unknown> {
  const path = `${directory}/${key}.json`;
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ResultsError("corrupt", `${path} is not JSON: delete it to measure again`, { cause });
  }
}

/** Stores a result: readers see the whole file or none. */
export async function writeResult(
  key: string,
  value: unknown,
  directory = resultsDirectory(),
): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const temporary = `${directory}/.${key}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(temporary, JSON.stringify(value));
    await Deno.rename(temporary, `${directory}/${key}.json`);
  } catch (cause) {
    throw new ResultsError("unwritable", `cannot write ${directory}/${key}.json`, { cause });
  }
}
