/**
 * DGQ's two levels of integers: a group of 4-bit codes has an integer scale that makes int8 of them, a row has one float scale,
 * `w = rowScale * groupScale * (code - zero)` with `|groupScale * (code - zero)| <= 127`. A product of int8 sums a whole row in integers; unlike
 * QQQ's groups, whose scales are fractions, nothing is rounded a second time: what was searched is what is multiplied.
 */
import type { PackedIntegers } from "../../kernels/codes.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import { packBits, unpackBits } from "../grids/bits.ts";

/** Parts of a {@linkcode DualGrainedWeight}. */
export interface DualGrainedParts {
  /** Rows and columns of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** Consecutive columns of a row that share an integer scale, a divisor of the columns. */
  readonly groupSize: number;
  /** Codes `[out, in]`, 0 to 15. */
  readonly codes: Uint8Array;
  /** `[out]` */
  readonly rowScales: Float32Array;
  /** `[out, in / groupSize]`, 1 to 127. */
  readonly groupScales: Uint8Array;
  /** `[out, in / groupSize]`: the code of the value 0, outside 0 to 15 where all weights of a group have one sign. */
  readonly zeros: Int8Array;
}

/** A weight of 4-bit groups inside int8 rows. */
export class DualGrainedWeight implements StoredWeight {
  /** Rows and columns of the weight. */
  readonly shape: readonly [number, number];
  /** Consecutive columns that share an integer scale. */
  readonly groupSize: number;
  /** `[out]` */
  readonly rowScales: Float32Array;
  /** `[out, in / groupSize]` */
  readonly groupScales: Uint8Array;
  /** `[out, in / groupSize]` */
  readonly zeros: Int8Array;
  private readonly packedCodes: Uint8Array;

  /**
   * Takes the parts as they are.
   *
   * @throws {SchemeError} `shape` if they do not fit one another, `values` if a weight is no int8
   */
  constructor({ shape, groupSize, codes, rowScales, groupScales, zeros }: DualGrainedParts) {
    const [rows, columns] = shape, groups = rows * columns / groupSize;
    if (
      columns % groupSize !== 0 || codes.length !== rows * columns || rowScales.length !== rows ||
      groupScales.length !== groups || zeros.length !== groups
    ) {
      throw new SchemeError(
        "shape",
        `${codes.length} codes, ${rowScales.length} row scales, ${groupScales.length} group scales and ${zeros.length} zeros: ` +
          `expected ${
            rows * columns
          }, ${rows} and ${groups} for groups of ${groupSize} in ${columns} columns`,
      );
    }
    const bad = codes.findIndex((code, i) => {
      const group = Math.floor(i / groupSize);
      return code > 15 || Math.abs(groupScales[group] * (code - zeros[group])) > 127;
    });
    if (bad >= 0) {
      const group = Math.floor(bad / groupSize);
      throw new SchemeError(
        "values",
        `code ${codes[bad]} with zero ${zeros[group]} and scale ${
          groupScales[group]
        }: expected an int8 from -127 to 127`,
      );
    }
    this.shape = shape;
    this.groupSize = groupSize;
    this.rowScales = rowScales;
    this.groupScales = groupScales;
    this.zeros = zeros;
    this.packedCodes = packBits(codes, 4);
  }

  /** Codes, scales of float32 and int8, and zero points of 4 bits, or of 8 where one needs them. */
  get byteLength(): number {
    const narrow = this.zeros.every((zero) => zero >= 0 && zero <= 15);
    const zeros = Math.ceil(this.zeros.length / (narrow ? 2 : 1));
    return this.packedCodes.byteLength + this.rowScales.byteLength + this.groupScales.byteLength + zeros;
  }

  /** Codes `[out, in]`. */
  codes(): Uint8Array {
    return unpackBits(this.packedCodes, 4, this.shape[0] * this.shape[1]);
  }

  /** The int8 weights `[out, in]` that a kernel multiplies. */
  integers(): Int8Array {
    return Int8Array.from(this.codes(), (code, i) => {
      const group = Math.floor(i / this.groupSize);
      return this.groupScales[group] * (code - this.zeros[group]);
    });
  }

  /** The weight as kernels take it: the product of both scales in float32. */
  pack(): PackedIntegers {
    const { shape: [outFeatures, inFeatures], groupSize, zeros } = this;
    return {
      outFeatures,
      inFeatures,
      bits: 4,
      groupSize,
      codes: this.packedCodes,
      scales: this.wholeScales(),
      zeros: zeros.every((zero) => zero >= 0) ? new Uint8Array(zeros) : new Float32Array(zeros),
    };
  }

  dequantize(): Float32Array {
    const scales = this.wholeScales(), { groupSize, zeros } = this;
    return Float32Array.from(this.codes(), (code, i) => {
      const group = Math.floor(i / groupSize);
      return scales[group] * (code - zeros[group]);
    });
  }

  /** Scales of groups, those of rows multiplied in. */
  private wholeScales(): Float32Array {
    const groups = this.shape[1] / this.groupSize;
    return Float32Array.from(this.groupScales, (scale, i) => scale * this.rowScales[Math.floor(i / groups)]);
  }
}
