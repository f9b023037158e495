/** The forms of quantized data on the host, and the rules that make them. */

/**
 * A weight of integers, as quantizers store it: `w = scale * (code - zero)`, each operation rounded to float32, with
 * one scale and zero point per group of a row. Rows are output features, columns input features.
 */
export interface PackedIntegers {
  /** Rows of the weight. */
  readonly outFeatures: number;
  /** Columns of the weight. */
  readonly inFeatures: number;
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** Consecutive stored columns of a row that share a range: a divisor of `inFeatures`, or all weights. */
  readonly groupSize: number;
  /** Codes `[outFeatures, inFeatures]` as a little-endian bit stream: code `i` starts at bit `i * bits`. */
  readonly codes: Uint8Array;
  /** `[outFeatures, inFeatures / groupSize]`, or one scale for all weights. */
  readonly scales: Float32Array;
  /** The codes of the value 0, as many as scales: bytes, or float32 where they are no integers. */
  readonly zeros: Uint8Array | Float32Array;
  /** Stored column `j` is column `permutation[j]` of the weight; in order when absent. */
  readonly permutation?: Int32Array;
  /** Weights that stand apart (SpQR's outliers): their values replace those of the codes. */
  readonly outliers?: SparseValues;
}

/** Some values of a matrix in compressed sparse row form. */
export interface SparseValues {
  /** `[rows + 1]`: the entries of row `i` are `start[i]` to `start[i + 1]`. */
  readonly start: Uint32Array;
  /** Stored column of each entry. */
  readonly column: Uint16Array | Uint32Array;
  /** Value of each entry. */
  readonly value: Float16Array | Float32Array;
}

/** A weight of binary codes (LUT-GEMM): `w = sum_i alpha_i B_i + offset` in float32, in this order, `B_i` +1 or -1. */
export interface BinaryCodes {
  /** Rows of the weight. */
  readonly outFeatures: number;
  /** Columns of the weight. */
  readonly inFeatures: number;
  /** Planes: 1 to 8. */
  readonly bits: number;
  /** Consecutive columns of a row that share their scales: a divisor of `inFeatures`. */
  readonly groupSize: number;
  /** `[outFeatures, inFeatures]`: bit `i` is set where plane `i` is +1. */
  readonly patterns: Uint8Array;
  /** `[outFeatures, inFeatures / groupSize, bits]` */
  readonly alphas: Float32Array;
  /** `[outFeatures, inFeatures / groupSize]`, added to each weight of a group. */
  readonly offsets?: Float32Array;
}

/**
 * A weight of codes into a table (floats of few bits, NF4): `w = values[code] * scale`, rounded to float32. A block of rows and columns
 * shares a scale; blocks at the edge may be cut off.
 */
export interface TableCodes {
  /** Rows of the weight. */
  readonly outFeatures: number;
  /** Columns of the weight. */
  readonly inFeatures: number;
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** Codes `[outFeatures, inFeatures]` as a little-endian bit stream: code `i` starts at bit `i * bits`. */
  readonly codes: Uint8Array;
  /** `[2^bits]`: what codes stand for. */
  readonly values: Float32Array;
  /** Rows and columns that share a scale. */
  readonly block: readonly [rows: number, columns: number];
  /** `[ceil(outFeatures / rows), ceil(inFeatures / columns)]`: float32, or bytes into `scaleValues`. */
  readonly scales: Float32Array | Uint8Array;
  /** `[256]`: what the bytes of scales stand for, where they are bytes. */
  readonly scaleValues?: Float32Array;
}

/** How weights become binary codes: greedily, then by rounds of alternating fitting. */
export interface BinaryRule {
  /** Planes: 1 to 8. */
  readonly bits: number;
  /** Consecutive weights that share their scales: a divisor of their number. */
  readonly groupSize: number;
  /** Rounds of solving for the scales and taking the nearest of the `2^bits` levels. */
  readonly rounds: number;
}

/** What {@linkcode Device.fitBinary} finds, as {@linkcode BinaryCodes} has it. */
export interface BinaryFit {
  /** One per weight. */
  readonly patterns: Uint8Array;
  /** `[groups, bits]` */
  readonly alphas: Float32Array;
}

/** What a device can hold packed. */
export type PackedCodes = PackedIntegers | BinaryCodes | TableCodes;

/** Which elements of a `[rows, columns]` matrix share one scale and zero point. */
export type Axis = "tensor" | "row" | "column";

/**
 * A uniform (affine) quantizer of `bits` bits; `x^ = scale * (q - zero)`, with half-even rounding in float32.
 * - `asymmetric`: `q` in `[0, 2^bits - 1]`, `scale = (max - min) / (2^bits - 1)`, `zero = round(-min / scale)`.
 * - `symmetric`: signed, `scale = absmax / (2^(bits-1) - 1)`, `q` in `[-2^(bits-1), 2^(bits-1) - 1]`, zero 0.
 * - `offsetBinary`: `2^bits - 1` steps over `[-absmax, absmax]`, `zero = 2^(bits-1)` (the legacy reference code).
 */
export interface UniformRule {
  /** Bits of a code: 1 to 16, at least 2 with a sign. */
  readonly bits: number;
  /** How codes lie on the range, see above. */
  readonly mode: "asymmetric" | "symmetric" | "offsetBinary";
  /** Whether the range is widened to contain 0 before the scale is derived (the reference code always does). */
  readonly zeroInRange: boolean;
  /** Share of the range that codes cover, values beyond it are clamped (QuaRot): more than 0, 1 when absent. */
  readonly clip?: number;
}

/** How a `[rows, columns]` matrix is divided into ranges for {@linkcode Device.fakeQuantize}. */
export interface QuantizeLayout {
  /** Rows of the matrix. */
  readonly rows: number;
  /** Columns of the matrix. */
  readonly columns: number;
  /** What shares a range. */
  readonly axis: Axis;
  /** Consecutive columns of one row that share a range; must divide `columns`. Only with `axis: "row"`. */
  readonly groupSize?: number;
}
