/**
 * Statistics that are quantized once more. Small groups of weights give many scales and zero points; storing these at
 * 16 bits would cost more than the small groups save, so SpQR (section 4.1) rounds them to a few bits too, in groups
 * of consecutive output rows that share a second-level scale and zero point.
 */
import { packBits, unpackBits } from "../grids/bits.ts";
import type { Precision } from "../grids/precision.ts";
import { decodeRealZero, encodeRealZero, fitRealZero, type RealZeroQuantizer } from "../grids/real_zero.ts";

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
  private readonly numbers: Float16Array | Float32Array;
  private readonly packedCodes: Uint8Array | null;

  /** Quantizes `values`. */
  constructor(values: Float32Array, { bits, groupSize, precision }: BilevelRule) {
    const array = precision === "float16" ? Float16Array : Float32Array;
    this.length = values.length;
    this.bits = bits;
    this.groupSize = groupSize;
    if (bits === 16) {
      this.numbers = new array(values);
      this.packedCodes = null;
      return;
    }
    const groups = values.length / groupSize;
    this.numbers = new array(2 * groups);
    const codes = new Uint8Array(values.length);
    for (let group = 0; group < groups; group++) {
      const start = group * groupSize, part = values.subarray(start, start + groupSize);
      const quantizer = fitRealZero(Math.min(...part), Math.max(...part), bits, precision);
      this.numbers[group] = quantizer.scale;
      this.numbers[groups + group] = quantizer.zero;
      // Codes are chosen for the quantizer as it is stored.
      for (const [i, value] of part.entries()) {
        codes[start + i] = encodeRealZero(value, this.quantizer(group), bits);
      }
    }
    this.packedCodes = packBits(codes, bits);
  }

  /** The second-level quantizer of a group. */
  quantizer(group: number): RealZeroQuantizer {
    return { scale: this.numbers[group], zero: this.numbers[this.numbers.length / 2 + group] };
  }

  /** Codes, or null with 16 bits. */
  codes(): Uint8Array | null {
    return this.packedCodes && unpackBits(this.packedCodes, this.bits, this.length);
  }

  /** The statistics as dequantization sees them. */
  values(): Float32Array {
    const codes = this.codes();
    if (codes === null) return new Float32Array(this.numbers);
    return Float32Array.from(
      codes,
      (code, i) => decodeRealZero(code, this.quantizer(Math.floor(i / this.groupSize))),
    );
  }

  /** Bytes of codes and second-level statistics. */
  get byteLength(): number {
    return this.numbers.byteLength + (this.packedCodes?.byteLength ?? 0);
  }
}
