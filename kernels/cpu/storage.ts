/** Pieces of the CPU device's memory as buffers, weights and accumulators that can be released. */

import type { BinaryLayout } from "./binary.ts";
import type { PackedLayout } from "./packed.ts";
import type { TableLayout } from "./table.ts";
import type { DeviceBuffer, DeviceWeight } from "../device.ts";
import { DeviceError } from "../error.ts";
import { Heap } from "./heap.ts";

/** A {@linkcode Heap} that counts what its users hold. */
export class Memory {
  readonly heap: Heap = new Heap();
  /** Bytes held now, and the most held at once. */
  readonly usage = { used: 0, peak: 0 };

  /** Takes `bytes` bytes of unknown content. */
  take(bytes: number): number {
    const address = this.heap.allocate(bytes);
    this.count(bytes);
    return address;
  }

  /** Counts `bytes` bytes more as held, or less. */
  count(bytes: number): void {
    this.usage.used += bytes;
    this.usage.peak = Math.max(this.usage.peak, this.usage.used);
  }

  /** Gives them back. */
  give(address: number, bytes: number): void {
    this.heap.free(address, bytes);
    this.count(-bytes);
  }
}

/** A piece of memory with an owner. */
export class Piece implements Disposable {
  readonly #memory: Memory;
  readonly #address: number;
  readonly byteLength: number;
  #released = false;

  constructor(memory: Memory, byteLength: number) {
    this.#memory = memory;
    this.#address = memory.take(byteLength);
    this.byteLength = byteLength;
  }

  /** The address, after checking that `memory` is where the piece lies and that it is not released. */
  open(memory: Memory, op: string, argument: string): number {
    if (this.#memory !== memory) {
      throw new DeviceError("foreign", `${op}: ${argument} belongs to another device`);
    }
    if (this.#released) throw new DeviceError("released", `${op}: ${argument} has been released`);
    return this.#address;
  }

  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#memory.give(this.#address, this.byteLength);
  }
}

/** A buffer of the CPU device. */
export class CpuBuffer extends Piece implements DeviceBuffer {
  constructor(memory: Memory, readonly length: number) {
    super(memory, length * 4);
  }
}

/** A weight in panels `[inFeatures][8]` of eight output features each, the last one filled up with zeros. */
export class CpuWeight extends Piece implements DeviceWeight {
  constructor(memory: Memory, readonly outFeatures: number, readonly inFeatures: number) {
    super(memory, Math.ceil(outFeatures / 8) * 8 * inFeatures * 4);
  }
}

/** A weight of packed codes, laid out by `packed.ts`, `table.ts` or `binary.ts`. */
export class CpuPackedWeight extends Piece implements DeviceWeight {
  readonly outFeatures: number;
  readonly inFeatures: number;

  constructor(
    memory: Memory,
    layout: PackedLayout | BinaryLayout | TableLayout,
    readonly form: "integers" | "binary",
  ) {
    super(memory, layout.bytes);
    this.outFeatures = layout.outFeatures;
    this.inFeatures = layout.inFeatures;
  }
}
