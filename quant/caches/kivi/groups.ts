/** Groups of values quantized on their own range `[min, max]`, packed in 32-bit words: the storage of KIVI's cache. */
import { roundHalfEven } from "../../../kernels/round.ts";
import { type Precision, roundToHalf, type Values, valuesOf } from "../../grids/precision.ts";

/** `groups` groups of `groupSize` values with codes of 1 to 8 bits; each group starts at a word. */
export class PackedGroups {
  /** Bytes of one group: codes, scale and minimum. */
  readonly bytesPerGroup: number;
  readonly #words: Uint32Array;
  readonly #scales: Values;
  readonly #minima: Values;
  readonly #wordsPerGroup: number;
  readonly #codesPerWord: number;
  readonly #top: number;
  readonly #half: boolean;

  constructor(readonly bits: number, readonly groupSize: number, groups: number, precision: Precision) {
    this.#top = 2 ** bits - 1;
    this.#codesPerWord = Math.floor(32 / bits);
    this.#wordsPerGroup = Math.ceil(groupSize / this.#codesPerWord);
    this.#words = new Uint32Array(groups * this.#wordsPerGroup);
    this.#scales = valuesOf(precision, groups);
    this.#minima = valuesOf(precision, groups);
    this.#half = precision === "float16";
    this.bytesPerGroup = 4 * this.#wordsPerGroup + 2 * this.#scales.BYTES_PER_ELEMENT;
  }

  scale(group: number): number {
    return this.#scales[group];
  }

  minimum(group: number): number {
    return this.#minima[group];
  }

  /** The packed codes of groups: code `i` at bit `bits * (i mod codesPerWord)` of word `i / codesPerWord` of its group. */
  words(group: number, count = 1): Uint32Array<ArrayBuffer> {
    return this.#words.slice(group * this.#wordsPerGroup, (group + count) * this.#wordsPerGroup);
  }

  /** Scales and minima of groups, `[count, 2]`. */
  ranges(group: number, count: number): Float32Array {
    return Float32Array.from(
      { length: 2 * count },
      (_, i) => (i % 2 ? this.#minima : this.#scales)[group + (i >> 1)],
    );
  }

  /** Code `i` of a group. */
  code(group: number, i: number): number {
    const word = this.#words[group * this.#wordsPerGroup + Math.floor(i / this.#codesPerWord)];
    return (word >>> (this.bits * (i % this.#codesPerWord))) & this.#top;
  }

  /**
   * Quantizes `values[start + i * stride]`: `scale = (max - min) / (2^bits - 1)`, `code = round((x - min) / scale)`,
   * each operation rounded to the precision, as the reference code does. A NaN makes its whole group NaN.
   */
  write(group: number, values: ArrayLike<number>, start: number, stride: number): void {
    const { groupSize, bits } = this;
    const top = this.#top, half = this.#half, codesPerWord = this.#codesPerWord;
    const end = start + groupSize * stride;
    let least = Infinity, most = -Infinity;
    for (let i = start; i < end; i += stride) {
      least = Math.min(least, values[i]);
      most = Math.max(most, values[i]);
    }
    // Codes are chosen with the stored scale and minimum, because dequantization will see those.
    const scale = round(round(most - least, half) / top, half), minimum = round(least, half);
    this.#scales[group] = scale;
    this.#minima[group] = minimum;
    const first = group * this.#wordsPerGroup;
    this.#words.fill(0, first, first + this.#wordsPerGroup);
    // A group without extent has scale 0: all codes stay 0 and stand for the minimum (the reference divides 0 by 0).
    if (scale === 0) return;
    for (let i = 0; i < groupSize; i++) {
      const x = round(round(values[start + i * stride] - minimum, half) / scale, half);
      const code = roundHalfEven(Math.min(Math.max(x, 0), top));
      this.#words[first + Math.floor(i / codesPerWord)] |= code << (bits * (i % codesPerWord));
    }
  }

  /** Dequantizes a group into `values[start + i * stride]`: `code * scale + minimum`, each operation rounded. */
  read(group: number, values: Float32Array, start: number, stride: number): void {
    const scale = this.#scales[group], minimum = this.#minima[group], half = this.#half;
    const { groupSize, bits } = this, top = this.#top, perWord = this.#codesPerWord;
    for (let i = 0, w = group * this.#wordsPerGroup; i < groupSize; w++) {
      let word = this.#words[w];
      for (const stop = Math.min(i + perWord, groupSize); i < stop; i++, word >>>= bits) {
        values[start + i * stride] = round(round((word & top) * scale, half) + minimum, half);
      }
    }
  }
}

/** Rounds to float16 or float32. A function that is passed around would not be inlined, and cost five times as much. */
function round(x: number, half: boolean): number {
  return half ? roundToHalf(x) : Math.fround(x);
}
