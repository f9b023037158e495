/** The memory of the CPU device: one WebAssembly memory, shared where there are threads, handed out in pieces of whole cache lines. */

import { DeviceError } from "../error.ts";
import { sharesMemory } from "./platform.ts";

const page = 65536;
const line = 64;
/** 4 GiB less one page, so that the address one past the end is still a 32-bit number. */
const mostPages = 65535;

/** First-fit allocation from a list of free pieces, sorted by address, neighbours joined; grows on demand. */
export class Heap {
  /** Where it is not shared, an engine may move it as it grows, and does so less often when it begins with 16 MiB. */
  readonly memory: WebAssembly.Memory = new WebAssembly.Memory({
    initial: sharesMemory ? 16 : 256,
    maximum: 65536,
    ...sharesMemory && { shared: true },
  });
  readonly #free: { start: number; end: number }[] = [];
  #floats = new Float32Array(this.memory.buffer);

  constructor() {
    // The first page holds the constants of the kernels.
    this.#free.push({ start: page, end: this.memory.buffer.byteLength });
  }

  /** The whole memory as float32; taken anew for each use, as growth makes an older view too short. */
  get floats(): Float32Array {
    if (this.#floats.buffer !== this.memory.buffer) this.#floats = new Float32Array(this.memory.buffer);
    return this.#floats;
  }

  /** `length` bytes from `address`: valid until memory grows. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  /** Address of `bytes` bytes, aligned to 64, with unknown content. Address 0 when `bytes` is 0. */
  allocate(bytes: number): number {
    if (bytes === 0) return 0;
    const size = round(bytes);
    const index = this.#free.findIndex(({ start, end }) => end - start >= size);
    if (index < 0) {
      this.#grow(size);
      return this.allocate(bytes);
    }
    const piece = this.#free[index];
    const address = piece.start;
    piece.start += size;
    if (piece.start === piece.end) this.#free.splice(index, 1);
    return address;
  }

  /** Gives a piece back. */
  free(address: number, bytes: number): void {
    if (bytes === 0) return;
    let start = address, end = address + round(bytes);
    let index = this.#free.findIndex((piece) => piece.start > address);
    if (index < 0) index = this.#free.length;
    const after = this.#free[index], before = this.#free[index - 1];
    let joined = 0, at = index;
    if (after?.start === end) {
      end = after.end;
      joined++;
    }
    if (before?.end === start) {
      start = before.start;
      at--;
      joined++;
    }
    this.#free.splice(at, joined, { start, end });
  }

  #grow(size: number): void {
    const end = this.memory.buffer.byteLength;
    const last = this.#free.at(-1);
    const needed = Math.ceil((size - (last?.end === end ? end - last.start : 0)) / page);
    const held = end / page;
    // Growing by an eighth at least keeps the number of growths logarithmic.
    const wished = Math.min(Math.max(needed, Math.ceil(held / 8), 64), mostPages - held);
    if (needed > mostPages - held) {
      throw new DeviceError("memory", `cpu: out of memory: ${size} bytes wanted, ${end} of 4 GiB taken`);
    }
    try {
      this.memory.grow(wished);
    } catch (cause) {
      throw new DeviceError("memory", `cpu: the system refuses ${wished * page} bytes more`, { cause });
    }
    this.free(end, wished * page);
  }
}

function round(bytes: number): number {
  return Math.ceil(bytes / line) * line;
}
