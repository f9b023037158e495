/** Memory of the GPU device: buffers that are counted, recycled, and can be released. */

import type { DeviceBuffer } from "../device.ts";
import { DeviceError } from "../error.ts";
import type { Recorder } from "./recorder.ts";

/** Released bytes that are kept for the next buffers of their size. */
const spareBytes = 256 * 2 ** 20;

/** Hands out GPU buffers. */
export class Memory {
  /** Bytes held now, and the most held at once. */
  readonly usage = { used: 0, peak: 0 };
  readonly #spare = new Map<number, GPUBuffer[]>();
  #spareBytes = 0;

  constructor(readonly recorder: Recorder) {}

  /** Most bytes of one buffer. */
  get largest(): number {
    return this.recorder.device.limits.maxBufferSize;
  }

  /** A buffer of at least `bytes` bytes, filled with zeros if `zeroed`. */
  take(op: string, bytes: number, zeroed: boolean): GPUBuffer {
    if (bytes > this.largest) {
      const limit = `expected at most ${this.largest}, the adapter's limit`;
      throw new DeviceError("length", `${op}: a buffer of ${bytes} bytes: ${limit}`);
    }
    this.recorder.check();
    this.usage.used += bytes;
    this.usage.peak = Math.max(this.usage.peak, this.usage.used);
    const size = sizeOf(bytes);
    const spare = this.#spare.get(size)?.pop();
    if (!spare) {
      const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
      return this.recorder.device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
    }
    this.#spareBytes -= size;
    if (zeroed) this.recorder.clear(spare);
    return spare;
  }

  /** Takes a buffer back. Commands recorded before still see its content, as they run first. */
  give(buffer: GPUBuffer, bytes: number): void {
    this.usage.used -= bytes;
    const { size } = buffer;
    if (this.#spareBytes + size > spareBytes) {
      this.recorder.flush();
      return buffer.destroy();
    }
    this.#spareBytes += size;
    const list = this.#spare.get(size) ?? [];
    this.#spare.set(size, list);
    list.push(buffer);
  }
}

/** Sizes are rounded up, so that few of them occur; WebGPU binds no empty buffer. */
function sizeOf(bytes: number): number {
  return Math.max(256, Math.ceil(bytes / 256) * 256);
}

/** Something on the GPU with an owner, made of one buffer or more. */
export class Piece implements Disposable {
  /** Bytes on the device. */
  readonly byteLength: number;
  #buffers: readonly { buffer: GPUBuffer; bytes: number }[] | null;

  constructor(private readonly memory: Memory, op: string, bytes: readonly number[], zeroed = false) {
    this.#buffers = bytes.map((size) => ({ buffer: memory.take(op, size, zeroed), bytes: size }));
    this.byteLength = bytes.reduce((sum, size) => sum + size, 0);
  }

  /** The buffers, after checking that `memory` is where the piece lies and that it is not released. */
  open(memory: Memory, op: string, argument: string): GPUBuffer[] {
    if (this.memory !== memory) {
      throw new DeviceError("foreign", `${op}: ${argument} belongs to another device`);
    }
    if (!this.#buffers) throw new DeviceError("released", `${op}: ${argument} has been released`);
    return this.#buffers.map(({ buffer }) => buffer);
  }

  [Symbol.dispose](): void {
    for (const { buffer, bytes } of this.#buffers ?? []) this.memory.give(buffer, bytes);
    this.#buffers = null;
  }
}

/** A buffer of float32 values. */
export class GpuBuffer extends Piece implements DeviceBuffer {
  constructor(memory: Memory, op: string, readonly length: number, zeroed = false) {
    super(memory, op, [length * 4], zeroed);
  }
}
