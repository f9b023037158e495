/** The copy of a {@linkcode KiviStore} that a device attends over, brought up to date before each step. */
import type { Device, DeviceBuffer, PackedTokens } from "../../../kernels/device.ts";
import { wordsPerGroup } from "../../../kernels/host/packed_attention.ts";
import type { KiviStore } from "./store.ts";

/** Packed tokens on a device. */
export class KiviTokens implements PackedTokens, Disposable {
  readonly bits: number;
  readonly groupSize: number;
  readonly axis: "channel" | "token";
  readonly recentTokens: number;
  readonly words: DeviceBuffer;
  readonly ranges: DeviceBuffer;
  readonly recent: DeviceBuffer;
  #quantized = 0;
  #length = 0;

  constructor(private readonly device: Device, private readonly store: KiviStore) {
    const { bits, groupSize, axis, width, capacity, recent } = store.shape;
    const groups = Math.ceil(capacity / groupSize) * width;
    [this.bits, this.groupSize, this.axis, this.recentTokens] = [bits, groupSize, axis, recent];
    this.words = device.allocate(groups * wordsPerGroup(this));
    this.ranges = device.allocate(groups * 2);
    this.recent = device.allocate(recent * width);
  }

  get quantized(): number {
    return this.#quantized;
  }

  /** Copies what the store has got since the last time: new groups, and the tokens in full precision, one at a time. */
  update(): this {
    const { device, store, groupSize, recentTokens } = this, { width } = store.shape;
    const first = this.#quantized * width / groupSize, count = store.quantized * width / groupSize - first;
    if (count > 0) {
      const words = store.groups.words(first, count);
      device.write(this.words, new Float32Array(words.buffer), first * wordsPerGroup(this));
      device.write(this.ranges, store.groups.ranges(first, count), 2 * first);
    }
    const recent = store.recent();
    for (let t = Math.max(this.#length, store.quantized); t < store.length; t++) {
      const row = (t - store.quantized) * width;
      device.write(
        this.recent,
        Float32Array.from(recent.subarray(row, row + width)),
        t % recentTokens * width,
      );
    }
    [this.#quantized, this.#length] = [store.quantized, store.length];
    return this;
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.words, this.ranges, this.recent]) buffer[Symbol.dispose]();
  }
}
