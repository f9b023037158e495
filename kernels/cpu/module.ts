/** The compiled kernels, and how many threads run them. */

import { environmentVariable } from "../../base/environment.ts";
import { processors, readKernels, readKernelsNow } from "./platform.ts";
import { checkThreads } from "./pool.ts";

let compiled: WebAssembly.Module | undefined;

/** The kernels, compiled once per process. */
export async function loadModule(): Promise<WebAssembly.Module> {
  return compiled ??= await WebAssembly.compile(await readKernels());
}

/** {@linkcode loadModule} for callers that cannot wait; where none has waited before, the file must be a local one. */
export function moduleNow(): WebAssembly.Module {
  return compiled ??= new WebAssembly.Module(readKernelsNow());
}

/** Threads unless told otherwise: `QUANTBOOK_THREADS`, or as many as there are processors. */
export function defaultThreads(): number {
  const setting = environmentVariable("QUANTBOOK_THREADS");
  return setting === undefined ? processors() : checkThreads(Number(setting), "QUANTBOOK_THREADS");
}
