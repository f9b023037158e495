/**
 * The storage of SpQR (Dettmers et al., ICLR 2024, section 4.2): dense codes of few bits, statistics that are quantized
 * themselves, and the few weights that are too sensitive to be rounded in a sparse matrix beside them.
 */
import type { PackedIntegers } from "../../kernels/codes.ts";
import type { BilevelVector } from "./bilevel.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import type { SparseMatrix } from "./sparse.ts";

/** Parts of a {@linkcode SpqrWeight}. */
export interface SpqrParts {
  /** Of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** Of dense codes. */
  readonly bits: number;
  /** Consecutive stored columns that share a scale and a zero point. */
  readonly groupSize: number;
  /** Codes `[out, in]`, in stored column order. */
  readonly codes: Uint8Array;
  /** `[in / groupSize, out]` */
  readonly scales: BilevelVector;
  /** `[in / groupSize, out]`: where 0 lies on the scale of codes, not an integer. */
  readonly zeros: BilevelVector;
  /** Values that replace the dense ones, `[out, in]`, in stored column order. */
  readonly outliers: SparseMatrix;
  /** Stored column `j` is column `permutation[j]` of the weight; null when they are in order. */
  readonly permutation: Int32Array | null;
}

/** `w = scale * (code - zero)` with one scale and zero point per group of a row, except where an outlier stands. */
export class SpqrWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  /** Bits per code. */
  readonly bits: number;
  /** Values that share a scale. */
  readonly groupSize: number;
  /** Scale of each group, itself quantized. */
  readonly scales: BilevelVector;
  /** Zero point of each group, itself quantized. */
  readonly zeros: BilevelVector;
  /** Weights kept as they are. */
  readonly outliers: SparseMatrix;
  /** Stored column `j` is column `permutation[j]` of the weight; null when the order is kept. */
  readonly permutation: Uint16Array | Int32Array | null;
  private readonly packedCodes: Uint8Array;

  /** Takes the parts as they are, without a copy. */
  constructor(parts: SpqrParts) {
    this.shape = parts.shape;
    this.bits = parts.bits;
    this.groupSize = parts.groupSize;
    this.scales = parts.scales;
    this.zeros = parts.zeros;
    this.outliers = parts.outliers;
    const { permutation } = parts;
    this.permutation = permutation !== null && permutation.length <= 1 << 16
      ? Uint16Array.from(permutation)
      : permutation;
    this.packedCodes = packBits(parts.codes, parts.bits);
  }

  get byteLength(): number {
    const dense = this.packedCodes.byteLength + this.scales.byteLength + this.zeros.byteLength;
    return dense + this.outliers.byteLength + (this.permutation?.byteLength ?? 0);
  }

  /** Codes `[out, in]`, in stored column order; meaningless where an outlier stands. */
  codes(): Uint8Array {
    return unpackBits(this.packedCodes, this.bits, this.shape[0] * this.shape[1]);
  }

  /** The weight as kernels take it. */
  pack(): PackedIntegers {
    const [outFeatures, inFeatures] = this.shape, groups = inFeatures / this.groupSize;
    const byRow = (values: Float32Array) =>
      values.map((_, i) => values[(i % groups) * outFeatures + Math.floor(i / groups)]);
    return {
      outFeatures,
      inFeatures,
      bits: this.bits,
      groupSize: this.groupSize,
      codes: this.packedCodes,
      scales: byRow(this.scales.values()),
      zeros: byRow(this.zeros.values()),
      outliers: this.outliers,
      ...(this.permutation === null ? {} : { permutation: Int32Array.from(this.permutation) }),
    };
  }

  dequantize(): Float32Array {
    const [rows, columns] = this.shape;
    const { groupSize, permutation, outliers } = this;
    const codes = this.codes(), scales = this.scales.values(), zeros = this.zeros.values();
    const values = new Float32Array(rows * columns);
    for (let row = 0, i = 0; row < rows; row++) {
      const target = (j: number) => row * columns + (permutation?.[j] ?? j);
      for (let j = 0; j < columns; j++, i++) {
        const s = Math.floor(j / groupSize) * rows + row;
        values[target(j)] = scales[s] * Math.fround(codes[i] - zeros[s]);
      }
      for (let k = outliers.start[row]; k < outliers.start[row + 1]; k++) {
        values[target(outliers.column[k])] = outliers.value[k];
      }
    }
    return values;
  }
}
