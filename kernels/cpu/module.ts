/** The compiled kernels, and how many threads run them. */

import { readFileSync } from "node:fs";
import { environmentVariable } from "../../base/environment.ts";
import { readBytes } from "../../base/file.ts";
import { checkThreads } from "./pool.ts";

const url = new URL("./kernels.wasm", import.meta.url);
let compiled: WebAssembly.Module | undefined;

/** The kernels, compiled once per process. */
export async function loadModule(): Promise<WebAssembly.Module> {
  if (compiled !== undefined) return compiled;
  const bytes = url.protocol === "file:" ? await readBytes(url) : await (await fetch(url)).arrayBuffer();
  return compiled = await WebAssembly.compile(bytes);
}

/** {@linkcode loadModule} for callers that cannot wait; where none has waited before, the file must be a local one. */
export function moduleNow(): WebAssembly.Module {
  return compiled ??= new WebAssembly.Module(readFileSync(url));
}

/** Threads unless told otherwise: `QUANTBOOK_THREADS`, or as many as there are processors. */
export function defaultThreads(): number {
  const setting = environmentVariable("QUANTBOOK_THREADS");
  return setting === undefined
    ? navigator.hardwareConcurrency
    : checkThreads(Number(setting), "QUANTBOOK_THREADS");
}
