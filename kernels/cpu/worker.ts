/** A compute thread: sleeps on the control block, helps with a job when there is one, ends when told to. */

import { parentPort } from "node:worker_threads";
import { loadKernels, openControl, remaining, started, takeChunks } from "./job.ts";

/** What a compute thread is started with. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: ArrayBufferLike;
  readonly thread: number;
}

/** Looks at the control block before a thread goes to sleep: jobs of one model layer follow each other closely. */
const spins = 2000;

parentPort?.once("message", ({ module, memory, control: buffer, thread }: WorkerStart) => {
  const kernels = loadKernels(module, memory);
  const control = openControl(buffer);
  Atomics.add(control.counts, started, 1);
  for (;;) {
    takeChunks(control, kernels, thread);
    let left = 0;
    for (let i = 0; i < spins && left === 0; i++) left = Atomics.load(control.counts, remaining);
    if (left === 0) Atomics.wait(control.counts, remaining, 0);
    else if (left < 0) return;
  }
});
