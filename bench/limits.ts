/** What one thread of this machine can do at most, measured: bytes copied or read and arithmetic on registers per second. */

import type { Device } from "../kernels/device.ts";
import type { Work } from "./measure.ts";
import { multiplyAdd, readAll, reserve } from "./peak/peak.wasm";

/** Work whose speed is a physical limit. */
export interface Limit {
  readonly work: Work;
  /** Bytes read and written by one run; operations of one run. */
  readonly bytes: number;
  readonly flop: number;
}

/** Copies `megabytes` MiB, four times a large cache by default, between buffers that live as long as the device. */
export function copyLimit(device: Device, megabytes = 128): Limit {
  const length = megabytes * 2 ** 18, from = device.allocate(length), to = device.allocate(length);
  return { work: () => device.copy(from, 0, to, 0, length), bytes: 8 * length, flop: 0 };
}

let reserved = 0;

/** Reads `megabytes` MiB, as a product reads a weight that no cache holds. */
export function readLimit(megabytes = 128): Limit {
  const bytes = megabytes * 2 ** 20;
  if (bytes > reserved) reserve(reserved = bytes);
  return { work: () => readAll(bytes), bytes, flop: 0 };
}

/** Multiplications and additions of four float32 each, separate ones: a fused one rounds differently. */
export function arithmeticLimit(): Limit {
  const steps = 20_000;
  return { work: () => multiplyAdd(steps, 0.5, 1), bytes: 0, flop: 96 * steps };
}
