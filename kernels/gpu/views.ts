/** How buffers that are larger than a binding may be are cut into windows, each bound in a dispatch of its own. */

import type { DeviceBuffer } from "../device.ts";
import { DeviceError } from "../error.ts";
import type { View } from "./recorder.ts";
import { GpuBuffer, type Memory } from "./storage.ts";

/** Offsets of bindings are multiples of this many bytes on every device. */
const alignment = 256;

/** Opens buffers of one device as bindings. */
export class Views {
  constructor(private readonly memory: Memory, readonly bindingBytes: number) {}

  /** The GPU buffer of an argument, which must be this device's and not released. */
  buffer(op: string, argument: string, buffer: DeviceBuffer): GPUBuffer {
    if (buffer instanceof GpuBuffer) return buffer.open(this.memory, op, argument)[0];
    throw new DeviceError("foreign", `${op}: ${argument} belongs to another device`);
  }

  /** A whole buffer; throws when it is too large to be bound at once. */
  whole(op: string, argument: string, buffer: DeviceBuffer): View {
    return this.part(op, argument, buffer, 0, buffer.length);
  }

  /** Elements `[first, first + length)`, where `first` is a multiple of 64. */
  part(op: string, argument: string, buffer: DeviceBuffer, first: number, length: number): View {
    if (length * 4 > this.bindingBytes) {
      throw new DeviceError(
        "length",
        `${op}: ${argument} takes ${length * 4} bytes at once: expected at most ${this.bindingBytes}, ` +
          "the adapter's limit",
      );
    }
    return {
      buffer: this.buffer(op, argument, buffer),
      offset: first * 4,
      // No smaller than an element of any kernel.
      size: Math.max(16, length * 4),
    };
  }

  /** Elements `[first, first + length)` for any `first`: the binding starts up to 63 elements before, at `-skip`. */
  unaligned(
    op: string,
    argument: string,
    buffer: DeviceBuffer,
    first: number,
    length: number,
  ): View & { skip: number } {
    const skip = first % (alignment / 4);
    return { ...this.part(op, argument, buffer, first - skip, length + skip), skip };
  }

  /**
   * Cuts `rows` rows, of which one has up to `width` elements in some buffer, into windows that can be bound: all but
   * the last have a multiple of 64 rows, so that they start at aligned addresses.
   */
  *windows(rows: number, width: number): Generator<{ first: number; count: number }> {
    const most = Math.floor(this.bindingBytes / (4 * Math.max(1, width)));
    const step = most >= rows ? rows : Math.max(64, Math.floor(most / 64) * 64);
    for (let first = 0; first < rows; first += step) {
      yield { first, count: Math.min(step, rows - first) };
    }
  }
}
