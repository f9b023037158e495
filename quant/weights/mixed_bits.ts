/** Weights whose groups of columns have bits of their own (SliM-LLM). */
import type { PackedIntegers } from "../../kernels/codes.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import { packBits, unpackBits } from "../grids/bits.ts";

/** Consecutive columns of all rows. */
export interface MixedBitsGroup {
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** `[out, groupSize]` from 0 to `2^bits - 1`. */
  readonly codes: Uint8Array;
  /** `[out]` */
  readonly scales: Float32Array;
  /** `[out]`: where 0 lies on the scale of codes; real numbers of groups with one bit, else integers of as many bits as codes. */
  readonly zeros: Float32Array;
}

/** A group as it is stored. */
export interface StoredGroup {
  /** Bits of a code. */
  readonly bits: number;
  /** Packed. */
  readonly codes: Uint8Array;
  /** `[out]` */
  readonly scales: Float32Array;
  /** Packed, where they are integers. */
  readonly zeros: Uint8Array | Float32Array;
}

/**
 * `w = scale (code - zero)`. A device multiplies codes that all have the bits of the widest group; what is stored has each group's own, and a
 * byte for the bits of each group.
 */
export class MixedBitsWeight implements StoredWeight {
  /** Rows and columns of the weight. */
  readonly shape: readonly [number, number];
  /** Columns of a group. */
  readonly groupSize: number;
  /** The groups, from the first column on. */
  readonly stored: readonly StoredGroup[];

  /**
   * Packs codes and zero points; scales are taken as they are.
   *
   * @throws {SchemeError} `shape` where groups do not make up the columns
   */
  constructor(rows: number, groupSize: number, groups: readonly MixedBitsGroup[]) {
    this.shape = [rows, groupSize * groups.length];
    this.groupSize = groupSize;
    for (const { codes, scales, zeros } of groups) {
      if (codes.length === rows * groupSize && scales.length === rows && zeros.length === rows) continue;
      throw new SchemeError(
        "shape",
        `a group has ${codes.length} codes, ${scales.length} scales, ${zeros.length} zeros: expected ${
          rows * groupSize
        }, ${rows}, ${rows}`,
      );
    }
    this.stored = groups.map(({ bits, codes, scales, zeros }) => ({
      bits,
      codes: packBits(codes, bits),
      scales,
      zeros: bits === 1 ? zeros : packBits(Uint8Array.from(zeros), bits),
    }));
  }

  get byteLength(): number {
    return this.stored.reduce(
      (sum, { codes, scales, zeros }) => sum + 1 + codes.byteLength + scales.byteLength + zeros.byteLength,
      0,
    );
  }

  /** Bits of the groups' codes, from the first column on. */
  precisions(): number[] {
    return this.stored.map(({ bits }) => bits);
  }

  /** The groups as they were given. */
  groups(): MixedBitsGroup[] {
    const [rows] = this.shape;
    return this.stored.map(({ bits, codes, scales, zeros }) => ({
      bits,
      codes: unpackBits(codes, bits, rows * this.groupSize),
      scales,
      zeros: zeros instanceof Float32Array ? zeros : Float32Array.from(unpackBits(zeros, bits, rows)),
    }));
  }

  /** The weight as kernels take it: codes of the widest group's bits. */
  pack(): PackedIntegers {
    const [outFeatures, inFeatures] = this.shape, { groupSize } = this, count = this.stored.length;
    const bits = Math.max(...this.precisions()), all = new Uint8Array(outFeatures * inFeatures);
    const scales = new Float32Array(outFeatures * count), zeros = new Float32Array(outFeatures * count);
    for (const [g, group] of this.groups().entries()) {
      for (let row = 0; row < outFeatures; row++) {
        scales[row * count + g] = group.scales[row];
        zeros[row * count + g] = group.zeros[row];
        all.set(
          group.codes.subarray(row * groupSize, (row + 1) * groupSize),
          row * inFeatures + g * groupSize,
        );
      }
    }
    return { outFeatures, inFeatures, bits, groupSize, codes: packBits(all, bits), scales, zeros };
  }

  dequantize(): Float32Array {
    const [rows, columns] = this.shape, { groupSize } = this, values = new Float32Array(rows * columns);
    for (const [g, { codes, scales, zeros }] of this.groups().entries()) {
      for (let row = 0, k = 0; row < rows; row++) {
        const start = row * columns + g * groupSize;
        for (let j = 0; j < groupSize; j++, k++) {
          values[start + j] = Math.fround(codes[k] - zeros[row]) * scales[row];
        }
      }
    }
    return values;
  }
}
