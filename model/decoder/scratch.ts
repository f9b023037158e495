/** Device memory of one computation. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";

/** Buffers that are released together. */
export class Scratch implements Disposable {
  readonly #buffers: DeviceBuffer[] = [];
  constructor(private readonly device: Device) {}

  /** A new buffer that lives as long as this scratch space. */
  take(length: number): DeviceBuffer {
    const buffer = this.device.allocate(length);
    this.#buffers.push(buffer);
    return buffer;
  }

  /** A buffer of one value, for operations that repeat their second operand. */
  constant(value: number): DeviceBuffer {
    const buffer = this.device.upload(Float32Array.of(value));
    this.#buffers.push(buffer);
    return buffer;
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.reverse()) buffer[Symbol.dispose]();
  }
}
