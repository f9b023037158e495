/**
 * Statistics that are quantized once more. Small groups of weights give many scales and zero points; storing these at
 * 16 bits would cost more than the small groups save, so SpQR (section 4.1) rounds them to a few bits too, in groups
 * of consecutive output rows that share a second-level scale and zero point.
 */
import { roundHalfEven } from "../kernels/round.ts";
import { packBits, unpackBits } from "./packed.ts";
import type { Precision } from "./packed_groups.ts";

/** `x^ = scale * (code - zero)`. The zero point is not rounded: 0 has no code of its own, and the range may lie anywhere. */
export interface RealZeroQuantizer {
  /** Distance of neighbouring values. */
  readonly scale: number;
  /** Where 0 lies on the scale of codes. */
  readonly zero: number;
}

const f32 = Math.fround;

/**
 * The quantizer of the range `[least, most]`. A range that is a single value is widened to contain 0, and the empty one
 * gets scale 0: both are then exact. (The reference code takes [-1, 1] instead, where a group of zeros comes back as
 * 0.14, having no code for 0.) So is a range so narrow beside its distance from 0 that float16 could not hold the zero.
 */
export function fitRealZero(
  least: number,
  most: number,
  bits: number,
  precision: Precision,
): RealZeroQuantizer {
  const narrow = precision === "float16" ? 2 ** -8 * Math.max(Math.abs(least), Math.abs(most)) : 0;
  if (most - least <= narrow) [least, most] = [Math.min(least, 0), Math.max(most, 0)];
  const scale = f32(f32(f32(most) - f32(least)) / (2 ** bits - 1));
  return { scale, zero: scale === 0 ? 0 : f32(-f32(least) / scale) };
}

/** The code of a value, from 0 to `2^bits - 1`. */
export function encodeRealZero(x: number, { scale, zero }: RealZeroQuantizer, bits: number): number {
  const code = roundHalfEven(f32(f32(f32(x) / Math.max(scale, 1e-9)) + zero));
  return Math.min(Math.max(code, 0), 2 ** bits - 1);
}

/** The value of a code. */
export function decodeRealZero(code: number, { scale, zero }: RealZeroQuantizer): number {
  return f32(scale * f32(code - zero));
}

/** How statistics are stored: with fewer than 16 bits in groups, with 16 as they are. */
export interface BilevelRule {
  /** 2 to 8, or 16. */
  readonly bits: number;
  /** Consecutive values that share a second-level scale and zero point, a divisor of their number. */
  readonly groupSize: number;
  /** Of the second level, or of the only one. */
  readonly precision: Precision;
}

/** A vector of statistics, quantized when it is made. */
export class BilevelVector {
  /** Number of values. */
  readonly length: number;
  /** As in the rule. */
  readonly bits: number;
  /** As in the rule. */
  readonly groupSize: number;
  /** With 16 bits the values themselves, else the second-level scales, then their zero points. */
  readonly #numbers: Float16Array | Float32Array;
  readonly #codes: Uint8Array | null;

  /** Quantizes `values`. */
  constructor(values: Float32Array, { bits, groupSize, precision }: BilevelRule) {
    const array = precision === "float16" ? Float16Array : Float32Array;
    this.length = values.length;
    this.bits = bits;
    this.groupSize = groupSize;
    if (bits === 16) {
      this.#numbers = new array(values);
      this.#codes = null;
      return;
    }
    const groups = values.length / groupSize;
    this.#numbers = new array(2 * groups);
    const codes = new Uint8Array(values.length);
    for (let group = 0; group < groups; group++) {
      const start = group * groupSize, part = values.subarray(start, start + groupSize);
      const quantizer = fitRealZero(Math.min(...part), Math.max(...part), bits, precision);
      this.#numbers[group] = quantizer.scale;
      this.#numbers[groups + group] = quantizer.zero;
      // Codes are chosen for the quantizer as it is stored.
      for (const [i, value] of part.entries()) {
        codes[start + i] = encodeRealZero(value, this.quantizer(group), bits);
      }
    }
    this.#codes = packBits(codes, bits);
  }

  /** The second-level quantizer of a group. */
  quantizer(group: number): RealZeroQuantizer {
    return { scale: this.#numbers[group], zero: this.#numbers[this.#numbers.length / 2 + group] };
  }

  /** Codes, or null with 16 bits. */
  codes(): Uint8Array | null {
    return this.#codes && unpackBits(this.#codes, this.bits, this.length);
  }

  /** The statistics as dequantization sees them. */
  values(): Float32Array {
    const codes = this.codes();
    if (codes === null) return new Float32Array(this.#numbers);
    return Float32Array.from(
      codes,
      (code, i) => decodeRealZero(code, this.quantizer(Math.floor(i / this.groupSize))),
    );
  }

  /** Bytes of codes and second-level statistics. */
  get byteLength(): number {
    return this.#numbers.byteLength + (this.#codes?.byteLength ?? 0);
  }
}
