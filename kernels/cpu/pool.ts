/** Threads that share the work of a kernel: the caller's own and `threads - 1` workers, over one shared memory. */

import { DeviceError } from "../error.ts";
import {
  type Control,
  finished,
  type Kernel,
  type KernelName,
  kernelNames,
  loadKernels,
  openControl,
  remaining,
  started,
  takeChunks,
} from "./job.ts";
import type { Heap } from "./heap.ts";
import { startThread, type Thread } from "./platform.ts";

/** Shorter work is done by the caller alone: waking a thread takes 5 to 50 us. */
const worthSharingNanoseconds = 20_000;
/** How long to wait for workers to start; those that come later still take part. */
const startMilliseconds = 2000;
/** Chunks per thread, so that a thread that starts late or runs slowly holds nobody up. */
const chunksPerThread = 6;

/** What one kernel call does besides its arguments. */
export interface Load {
  /** Independent units of work. */
  readonly units: number;
  /** Rough time that one thread takes for the whole call. */
  readonly nanoseconds: number;
  /** Bytes of scratch memory that a thread needs. */
  readonly scratchBytes?: number;
}

/** Runs kernels. The result does not depend on the number of threads: units write disjoint outputs. */
export class Pool implements Disposable {
  readonly #kernels: Kernel[];
  readonly #control: Control = openControl();
  readonly #workers: Thread[] = [];
  readonly #heap: Heap;
  readonly #threads: number;
  #alive: number;
  #scratch = { address: 0, bytesPerThread: 0 };

  constructor(module: WebAssembly.Module, heap: Heap, threads: number) {
    this.#heap = heap;
    this.#kernels = loadKernels(module, heap.memory);
    this.#threads = threads;
    const { buffer } = this.#control.job, { memory } = heap;
    for (let thread = 1; thread < threads; thread++) {
      // A worker that cannot start (no permission to read its module) is missed by nobody but the clock.
      const worker = startThread({ module, memory, control: buffer, thread }, () => this.#alive--);
      if (worker === null) break;
      this.#workers.push(worker);
    }
    this.#alive = this.#workers.length + 1;
  }

  /** Threads that take part: fewer than asked for where the runtime has no workers. */
  get threads(): number {
    return this.#alive;
  }

  /** Waits for the workers: they start only while the caller's event loop turns, and not at all under some policies. */
  async started(): Promise<void> {
    const deadline = Date.now() + startMilliseconds;
    while (Atomics.load(this.#control.counts, started) < this.#alive - 1 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Runs a kernel over all its units and returns when it is done. */
  run(name: KernelName, load: Load, args: number[]): void {
    const { units, nanoseconds, scratchBytes = 0 } = load;
    if (units === 0) return;
    this.#reserve(scratchBytes);
    const { address, bytesPerThread } = this.#scratch;
    const kernel = kernelNames.indexOf(name);
    if (this.#alive === 1 || units === 1 || nanoseconds < worthSharingNanoseconds) {
      this.#kernels[kernel](0, units, address, ...args);
      return;
    }
    const { counts, job } = this.#control;
    const size = Math.ceil(units / (this.#alive * chunksPerThread));
    const chunks = Math.ceil(units / size);
    job.set([kernel, units, size, address, bytesPerThread, args.length, ...args]);
    Atomics.store(counts, finished, 0);
    Atomics.store(counts, remaining, chunks);
    Atomics.notify(counts, remaining);
    takeChunks(this.#control, this.#kernels, 0);
    for (let i = 0; i < 10_000; i++) if (Atomics.load(counts, finished) === chunks) return;
    for (;;) {
      const done = Atomics.load(counts, finished);
      if (done === chunks) return;
      Atomics.wait(counts, finished, done);
    }
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#scratch.bytesPerThread) return;
    const bytesPerThread = Math.ceil(bytes / 64) * 64;
    const { address, bytesPerThread: old } = this.#scratch;
    if (old > 0) this.#heap.free(address, old * this.#threads);
    this.#scratch = { address: 0, bytesPerThread: 0 };
    this.#scratch = { address: this.#heap.allocate(bytesPerThread * this.#threads), bytesPerThread };
  }

  [Symbol.dispose](): void {
    Atomics.store(this.#control.counts, remaining, -1);
    Atomics.notify(this.#control.counts, remaining);
    for (const worker of this.#workers) worker.terminate();
    this.#workers.length = 0;
    this.#alive = 1;
  }
}

/** Throws unless `threads` is a sensible number of threads. */
export function checkThreads(threads: number, source: string): number {
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw new DeviceError("threads", `${source} is ${threads}: expected an integer, 1 to 256`);
  }
  return threads;
}
