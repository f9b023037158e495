/** What the CPU device takes from its platform: the compiled kernels, threads, and memory that threads share. */

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { environmentVariable } from "../../base/environment.ts";
import { readBytes } from "../../base/file.ts";
import type { WorkerStart } from "./worker.ts";

/** In a package for Node, TypeScript has become JavaScript. */
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";

/** Whether threads share memory; with `QUANTBOOK_KERNELS=plain` they do not, as in a page: one thread then, and the same bits. */
export const sharesMemory: boolean = environmentVariable("QUANTBOOK_KERNELS") !== "plain";

const url = sharesMemory
  ? new URL("./kernels.wasm", import.meta.url)
  : new URL("./kernels_plain.wasm", import.meta.url);

/** The compiled kernels. */
export async function readKernels(): Promise<Uint8Array<ArrayBuffer>> {
  if (url.protocol === "file:") return await readBytes(url);
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}

/** {@linkcode readKernels} for callers that cannot wait: the file must be a local one. */
export function readKernelsNow(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(url));
}

/** Processors of this machine. */
export function processors(): number {
  return navigator.hardwareConcurrency;
}

/** A thread besides the caller's own. */
export interface Thread {
  /** Ends it. */
  terminate(): unknown;
}

/** A thread that does not keep the program alive, or null where none is allowed; `onError` is called where it cannot start. */
export function startThread(start: WorkerStart, onError: () => void): Thread | null {
  if (!sharesMemory) return null;
  try {
    const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url));
    worker.unref();
    worker.postMessage(start);
    worker.once("error", onError);
    return worker;
  } catch {
    return null;
  }
}
