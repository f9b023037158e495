/**
 * Groups of values quantized on their own range `[min, max]`, packed in 32-bit words: the storage of KIVI's cache.
 * Products with the values of a group never build them: the factor goes into the scale and the minimum once, and codes
 * are shifted out of their words one after the other.
 */
import { roundHalfEven } from "../kernels/round.ts";
import { roundToHalf } from "./half.ts";

/** What scales, minima and everything else that is not a code is computed and stored in. */
export type Precision = "float16" | "float32";

/** Values in one of the two precisions. */
export type Values = Float16Array | Float32Array;

/** Zeros in the given precision. */
export function valuesOf(precision: Precision, length: number): Values {
  return precision === "float16" ? new Float16Array(length) : new Float32Array(length);
}

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

  /** The packed codes of a group: code `i` at bit `bits * (i mod codesPerWord)` of word `i / codesPerWord`. */
  words(group: number): Uint32Array {
    return this.#words.slice(group * this.#wordsPerGroup, (group + 1) * this.#wordsPerGroup);
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

  /** `sums[at + i] += factor * x_i` for the values of a group, not rounded. */
  accumulate(group: number, factor: number, sums: Float64Array, at: number): void {
    const scale = factor * this.#scales[group], minimum = factor * this.#minima[group];
    const { bits } = this, top = this.#top, perWord = this.#codesPerWord;
    const end = at + this.groupSize;
    for (let i = at, w = group * this.#wordsPerGroup; i < end; w++) {
      let word = this.#words[w];
      for (const stop = Math.min(i + perWord, end); i < stop; i++, word >>>= bits) {
        sums[i] += scale * (word & top) + minimum;
      }
    }
  }

  /** `sum_i factors[at + i] * x_i` over the values of a group, not rounded. */
  dot(group: number, factors: Float32Array, at: number): number {
    const { bits, groupSize } = this, top = this.#top, perWord = this.#codesPerWord;
    let codes = 0, total = 0;
    for (let i = 0, w = group * this.#wordsPerGroup; i < groupSize; w++) {
      let word = this.#words[w];
      for (const stop = Math.min(i + perWord, groupSize); i < stop; i++, word >>>= bits) {
        codes += factors[at + i] * (word & top);
        total += factors[at + i];
      }
    }
    return this.#scales[group] * codes + this.#minima[group] * total;
  }
}

/** Rounds to float16 or float32. A function that is passed around would not be inlined, and cost five times as much. */
function round(x: number, half: boolean): number {
  return half ? roundToHalf(x) : Math.fround(x);
}
