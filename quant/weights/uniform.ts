/** Uniform weights as they are stored: codes, scales and zero points. */
import type { PackedIntegers } from "../../kernels/codes.ts";
import { SchemeError } from "../error.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";

/** Parts of a {@linkcode UniformWeight}. */
export interface UniformParts {
  /** Rows and columns of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** Consecutive columns of a row that share a scale, a divisor of the columns; or all weights (`out * in`). */
  readonly groupSize: number;
  /** Codes `[out, in]` from 0 to `2^bits - 1`. */
  readonly codes: Uint8Array;
  /** `[out, in / groupSize]` */
  readonly scales: Float32Array;
  /** `[out, in / groupSize]`: the code of the value 0; or one number for all. */
  readonly zeros: Uint8Array | number;
  /** Column `j` of the stored codes is column `permutation[j]` of the weight. */
  readonly permutation?: Int32Array;
}

/** `w = scale * (code - zero)` with one scale and zero point per group of a row. */
export class UniformWeight implements StoredWeight {
  /** Rows and columns of the weight. */
  readonly shape: readonly [number, number];
  /** Bits of a code. */
  readonly bits: number;
  /** Consecutive stored columns that share a scale, or all weights. */
  readonly groupSize: number;
  /** `[out, in / groupSize]` */
  readonly scales: Float32Array;
  /** Weight columns of the stored ones; null where they are the same. */
  readonly permutation: Int32Array | null;
  private readonly packedCodes: Uint8Array;
  private readonly packedZeros: Uint8Array | number;

  /** Takes the parts as they are, without a copy. */
  constructor(parts: UniformParts) {
    const [rows, columns] = parts.shape;
    if (columns % parts.groupSize !== 0 && parts.groupSize !== rows * columns) {
      throw new SchemeError(
        "shape",
        `groupSize ${parts.groupSize} does not divide ${columns} input features`,
      );
    }
    this.shape = parts.shape;
    this.bits = parts.bits;
    this.groupSize = parts.groupSize;
    this.scales = parts.scales;
    this.permutation = parts.permutation ?? null;
    this.packedCodes = packBits(parts.codes, parts.bits);
    const { zeros } = parts;
    // Zero points need one bit more than codes only in methods that do not use this class.
    this.packedZeros = typeof zeros === "number" ? zeros : packBits(zeros, parts.bits);
    if (parts.codes.length !== rows * columns) {
      throw new SchemeError("shape", `codes has ${parts.codes.length} values: expected ${rows * columns}`);
    }
  }

  get byteLength(): number {
    const zeros = typeof this.packedZeros === "number" ? 0 : this.packedZeros.byteLength;
    return this.packedCodes.byteLength + this.scales.byteLength + zeros + (this.permutation?.byteLength ?? 0);
  }

  /** Codes `[out, in]`, in stored column order. */
  codes(): Uint8Array {
    return unpackBits(this.packedCodes, this.bits, this.shape[0] * this.shape[1]);
  }

  /** Zero points `[out, in / groupSize]`. */
  zeros(): Uint8Array {
    if (typeof this.packedZeros === "number") {
      return new Uint8Array(this.scales.length).fill(this.packedZeros);
    }
    return unpackBits(this.packedZeros, this.bits, this.scales.length);
  }

  /** The weight as kernels take it; codes and scales are shared, not copied. */
  pack(): PackedIntegers {
    const { bits, groupSize, scales, permutation } = this;
    return {
      outFeatures: this.shape[0],
      inFeatures: this.shape[1],
      bits,
      groupSize,
      codes: this.packedCodes,
      scales,
      zeros: this.zeros(),
      ...(permutation === null ? {} : { permutation }),
    };
  }

  dequantize(): Float32Array {
    const [rows, columns] = this.shape;
    const { groupSize, scales, permutation } = this;
    const codes = this.codes(), zeros = this.zeros();
    const values = new Float32Array(rows * columns);
    for (let row = 0, i = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, i++) {
        const group = Math.floor(i / groupSize);
        const target = permutation === null ? i : row * columns + permutation[column];
        values[target] = scales[group] * (codes[i] - zeros[group]);
      }
    }
    return values;
  }
}
