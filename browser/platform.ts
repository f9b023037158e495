/** In a page, in the place of `kernels/cpu/platform.ts`: one thread and memory of its own. Without special headers a page shares none. */
import type { WorkerStart } from "../kernels/cpu/worker.ts";
import kernels from "../kernels/cpu/kernels_plain.wasm" with { type: "bytes" };

/** Threads share no memory. */
export const sharesMemory: boolean = false;

/** The plain kernels, which came with this code. */
export function readKernels(): Promise<Uint8Array<ArrayBuffer>> {
  return Promise.resolve(readKernelsNow());
}

/** {@linkcode readKernels} at once. */
export function readKernelsNow(): Uint8Array<ArrayBuffer> {
  return kernels;
}

/** One: there are no threads to give work to. */
export function processors(): number {
  return 1;
}

/** A thread besides the caller's own. */
export interface Thread {
  /** Ends it. */
  terminate(): unknown;
}

/** None. */
export function startThread(_start: WorkerStart, _onError: () => void): Thread | null {
  return null;
}
