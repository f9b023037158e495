/** The compiled kernels, and how many threads run them. */

import bytes from "./kernels.wasm" with { type: "bytes" };
import { environmentVariable } from "../environment.ts";
import { checkThreads } from "./pool.ts";

let compiled: WebAssembly.Module | undefined;

/** The kernels, compiled once per process. */
export function kernelModule(): WebAssembly.Module {
  return compiled ??= new WebAssembly.Module(bytes);
}

/** Threads unless told otherwise: `QUANTBOOK_THREADS`, or as many as there are processors. */
export function defaultThreads(): number {
  const setting = environmentVariable("QUANTBOOK_THREADS");
  return setting === undefined
    ? navigator.hardwareConcurrency
    : checkThreads(Number(setting), "QUANTBOOK_THREADS");
}
