/** Groups of values quantized on their own range `[min, max]`, packed in 32-bit words: the storage of KIVI's cache. */
import { roundHalfEven } from "../kernels/round.ts";

/** How the scale and minimum of each group are stored. */
export type Statistics = "float16" | "float32";

/** `groups` groups of `groupSize` values; each group starts at a word. */
export class PackedGroups {
  readonly #words: Uint32Array;
  readonly #scales: Float16Array | Float32Array;
  readonly #minima: Float16Array | Float32Array;
  readonly #wordsPerGroup: number;
  readonly #codesPerWord: number;

  constructor(readonly bits: number, readonly groupSize: number, groups: number, statistics: Statistics) {
    this.#codesPerWord = Math.floor(32 / bits);
    this.#wordsPerGroup = Math.ceil(groupSize / this.#codesPerWord);
    this.#words = new Uint32Array(groups * this.#wordsPerGroup);
    const array = statistics === "float16" ? Float16Array : Float32Array;
    this.#scales = new array(groups);
    this.#minima = new array(groups);
  }

  /** Bytes of one group: codes, scale and minimum. */
  get bytesPerGroup(): number {
    return 4 * this.#wordsPerGroup + 2 * this.#scales.BYTES_PER_ELEMENT;
  }

  scale(group: number): number {
    return this.#scales[group];
  }

  minimum(group: number): number {
    return this.#minima[group];
  }

  /** Quantizes `values[start + i * stride]`: `scale = (max - min) / (2^bits - 1)`, `code = round((x - min) / scale)`. */
  write(group: number, values: Float32Array, start: number, stride: number): void {
    const top = 2 ** this.bits - 1, end = start + this.groupSize * stride;
    let least = Infinity, most = -Infinity;
    for (let i = start; i < end; i += stride) {
      least = Math.min(least, values[i]);
      most = Math.max(most, values[i]);
    }
    // Stored precision is what dequantization will see, so codes are chosen with it.
    this.#minima[group] = least;
    this.#scales[group] = Math.fround((most - least) / top);
    const scale = this.#scales[group], minimum = this.#minima[group];
    const first = group * this.#wordsPerGroup;
    this.#words.fill(0, first, first + this.#wordsPerGroup);
    // A group without extent has scale 0: all codes stay 0 and stand for the minimum.
    if (scale === 0) return;
    for (let i = 0; i < this.groupSize; i++) {
      const x = Math.fround(Math.fround(values[start + i * stride] - minimum) / scale);
      const code = roundHalfEven(Math.min(Math.max(x, 0), top));
      this.#words[first + Math.floor(i / this.#codesPerWord)] |= code <<
        (this.bits * (i % this.#codesPerWord));
    }
  }

  /** Code `i` of a group. */
  code(group: number, i: number): number {
    const word = this.#words[group * this.#wordsPerGroup + Math.floor(i / this.#codesPerWord)];
    return (word >>> (this.bits * (i % this.#codesPerWord))) & (2 ** this.bits - 1);
  }

  /** Dequantizes a group into `values[start + i * stride]`. */
  read(group: number, values: Float32Array, start: number, stride: number): void {
    const scale = this.#scales[group], minimum = this.#minima[group];
    for (let i = 0; i < this.groupSize; i++) {
      values[start + i * stride] = Math.fround(this.code(group, i) * scale) + minimum;
    }
  }
}
