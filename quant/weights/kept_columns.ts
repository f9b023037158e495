/**
 * Weights some of whose columns are stored as numbers, the rest as codes with one scale per row (QUIK, Ashkboos et al., EMNLP 2024): a matrix
 * of codes and a narrow dense one beside it.
 */
import type { PackedIntegers } from "../../kernels/codes.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import { type Precision, valuesOf } from "../grids/precision.ts";
import { SparseMatrix } from "./sparse.ts";

/** Parts of a {@linkcode KeptColumnsWeight}. */
export interface KeptColumnsParts {
  /** Rows and columns of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** Columns that are kept, ascending. */
  readonly columns: Int32Array;
  /** Codes of the other columns in their order, `[out, in - kept]`. */
  readonly codes: Uint8Array;
  /** `[out]` */
  readonly scales: Float32Array;
  /** `[out]`: the code of the value 0; or one number for all. */
  readonly zeros: Uint8Array | number;
  /** The kept columns, `[out, kept]`. */
  readonly values: Float32Array;
  /** What these are stored in. */
  readonly precision: Precision;
}

/** `w = scale * (code - zero)`, except in the columns that are kept. */
export class KeptColumnsWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  /** Bits of a code. */
  readonly bits: number;
  /** Columns that are kept, ascending. */
  readonly columns: Uint16Array | Int32Array;
  /** `[out]` */
  readonly scales: Float32Array;
  /** The kept columns, `[out, kept]`. */
  readonly values: Float16Array | Float32Array;
  private readonly packedCodes: Uint8Array;
  private readonly packedZeros: Uint8Array | number;
  private readonly precision: Precision;

  /**
   * Packs the codes; the other parts are taken as they are.
   *
   * @throws {SchemeError} `shape` where parts do not fit each other
   */
  constructor({ shape, bits, columns, codes, scales, zeros, values, precision }: KeptColumnsParts) {
    const [rows, inputs] = shape, kept = columns.length;
    const lengths = { codes: [codes, rows * (inputs - kept)], values: [values, rows * kept] } as const;
    for (const [name, [{ length }, expected]] of Object.entries(lengths)) {
      if (length === expected) continue;
      throw new SchemeError("shape", `${name} has ${length} values: expected ${expected}`);
    }
    this.shape = shape;
    this.bits = bits;
    this.columns = inputs <= 1 << 16 ? Uint16Array.from(columns) : columns;
    this.scales = scales;
    this.packedCodes = packBits(codes, bits);
    this.packedZeros = typeof zeros === "number" ? zeros : packBits(zeros, bits);
    this.precision = precision;
    this.values = valuesOf(precision, values.length);
    this.values.set(values);
  }

  get byteLength(): number {
    const zeros = typeof this.packedZeros === "number" ? 0 : this.packedZeros.byteLength;
    return this.packedCodes.byteLength + this.scales.byteLength + zeros + this.columns.byteLength +
      this.values.byteLength;
  }

  /** Codes of the columns that are not kept, in their order, `[out, in - kept]`. */
  codes(): Uint8Array {
    const [rows, inputs] = this.shape;
    return unpackBits(this.packedCodes, this.bits, rows * (inputs - this.columns.length));
  }

  /** Zero points `[out]`. */
  zeros(): Uint8Array {
    if (typeof this.packedZeros === "number") {
      return new Uint8Array(this.scales.length).fill(this.packedZeros);
    }
    return unpackBits(this.packedZeros, this.bits, this.scales.length);
  }

  /** The weight as kernels take it: kept columns as outliers over codes of the value 0. */
  pack(): PackedIntegers {
    const [outFeatures, inFeatures] = this.shape, zeros = this.zeros(), codes = this.codes();
    const all = new Uint8Array(outFeatures * inFeatures), mask = all.slice();
    const values = new Float32Array(all.length);
    this.walk(
      (row, i, k) => [all[i], mask[i], values[i]] = [zeros[row], 1, this.values[k]],
      (_, i, k) => all[i] = codes[k],
    );
    return {
      outFeatures,
      inFeatures,
      bits: this.bits,
      groupSize: inFeatures,
      codes: packBits(all, this.bits),
      scales: this.scales,
      zeros,
      ...this.columns.length > 0 &&
        { outliers: new SparseMatrix(outFeatures, inFeatures, mask, values, this.precision) },
    };
  }

  dequantize(): Float32Array {
    const codes = this.codes(),
      zeros = this.zeros(),
      result = new Float32Array(this.shape[0] * this.shape[1]);
    this.walk(
      (_, i, k) => result[i] = this.values[k],
      (row, i, k) => result[i] = this.scales[row] * (codes[k] - zeros[row]),
    );
    return result;
  }

  /** Calls back for each weight `i` with its row and its place `k` among the kept values, or among the codes. */
  private walk(
    kept: (row: number, i: number, k: number) => void,
    coded: (row: number, i: number, k: number) => void,
  ): void {
    const [rows, inputs] = this.shape, isKept = new Uint8Array(inputs);
    for (const column of this.columns) isKept[column] = 1;
    for (let row = 0, i = 0, own = 0, code = 0; row < rows; row++) {
      for (let j = 0; j < inputs; j++, i++) {
        if (isKept[j] === 1) kept(row, i, own++);
        else coded(row, i, code++);
      }
    }
  }
}
