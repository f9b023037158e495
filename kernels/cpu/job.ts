/**
 * A job: one kernel over units of work that threads share. The control block holds a count of chunks nobody has taken
 * yet; a thread takes a chunk by lowering the count, so that no thread waits for another one that is late, and only
 * then reads what the job is: a job cannot be replaced while one of its chunks is taken but not finished.
 */

/** A kernel of the WebAssembly module: `(begin, end, scratch, ...arguments)`. */
export type Kernel = (begin: number, end: number, scratch: number, ...rest: number[]) => void;

/** The kernels by name; their order is the numbering that threads agree on. */
export const kernelNames = [
  "accumulate",
  "activate",
  "addGram",
  "attention",
  "columnAbsMax",
  "combine",
  "layerNorm",
  "logSoftmax",
  "lookUp",
  "packGram",
  "packPanels",
  "pieceRanges",
  "product",
  "quantizeColumns",
  "quantizePieces",
  "quantizeRows",
  "rmsNorm",
  "rotary",
  "scan",
  "shortConvolution",
  "subtractProduct",
  "subtractScaled",
  "vectorProduct",
] as const;

/** Name of a kernel. */
export type KernelName = typeof kernelNames[number];

/** What threads share besides the memory of the kernels. */
export interface Control {
  /** Chunks and workers, by the constants below. */
  readonly counts: Int32Array<ArrayBufferLike>;
  /** Kernel number, units, units per chunk, scratch address, scratch bytes per thread, argument count, arguments. */
  readonly job: Float64Array<ArrayBufferLike>;
}

/** Index in `counts` of the chunks not yet taken; -1 tells workers to end. */
export const remaining = 0;
/** Index in `counts` of the chunks that are done. */
export const finished = 1;
/** Index in `counts` of the workers that have started. */
export const started = 2;

/** Opens (or creates) a control block, shared where the platform has shared memory. */
export function openControl(buffer: ArrayBufferLike = created()): Control {
  return { counts: new Int32Array(buffer, 0, 3), job: new Float64Array(buffer, 64) };
}

function created(): ArrayBufferLike {
  return typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(512) : new SharedArrayBuffer(512);
}

/** Instantiates the module on the shared memory, and checks that it has the kernels that this code knows. */
export function loadKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernel[] {
  const instance = new WebAssembly.Instance(module, { env: { memory, abort } });
  return kernelNames.map((name) => {
    const kernel = instance.exports[name];
    if (typeof kernel !== "function") {
      throw new Error(`kernels.wasm has no ${name}: run kernels/cpu/build.ts`);
    }
    return kernel as Kernel;
  });
}

function abort(): never {
  throw new Error("a kernel aborted");
}

/** Takes chunks of the current job and runs them until none is left. */
export function takeChunks({ counts, job }: Control, kernels: Kernel[], thread: number): void {
  for (;;) {
    const left = Atomics.load(counts, remaining);
    if (left <= 0) return;
    if (Atomics.compareExchange(counts, remaining, left, left - 1) !== left) continue;
    const [kernel, units, size, scratch, scratchBytes, argumentCount] = job;
    const begin = (left - 1) * size;
    const rest = job.subarray(6, 6 + argumentCount);
    kernels[kernel](begin, Math.min(units, begin + size), scratch + thread * scratchBytes, ...rest);
    Atomics.add(counts, finished, 1);
    Atomics.notify(counts, finished);
  }
}
