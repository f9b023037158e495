/**
 * Vector-wise int8: each row of a matrix (a token, or the weights of one output feature) has its own scale,
 * absmax / 127. A product of two such matrices needs one multiplication by both rows' scales per result, after an
 * integer sum.
 */
import { roundHalfEven } from "../../kernels/round.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";

const f32 = Math.fround;

/** `x = code * maximum / 127` for each row. */
export interface Int8Vectors {
  /** Integers from -127 to 127, `[rows, columns]`. */
  readonly codes: Int8Array;
  /** Largest magnitude of each row. */
  readonly maxima: Float32Array;
}

/**
 * Quantizes rows in the arithmetic of bitsandbytes: `round(x * (127 * (1 / absmax)))` in float32. With a threshold above
 * 0, magnitudes that reach it count neither for the range nor have codes (0). A row without any magnitude gets zeros,
 * a row with NaN or infinity
 * zeros and a maximum that is not finite either.
 */
export function int8Vectors(data: Float32Array, columns: number, threshold = 0): Int8Vectors {
  const rows = data.length / columns;
  const codes = new Int8Array(data.length), maxima = new Float32Array(rows);
  // Zero stands for itself: outliers are no part of what is rounded here.
  const inlier = (x: number) => threshold > 0 && Math.abs(x) >= threshold ? 0 : x;
  for (let row = 0, start = 0; row < rows; row++, start += columns) {
    let most = 0;
    for (let i = start; i < start + columns; i++) most = Math.max(most, Math.abs(inlier(data[i])));
    maxima[row] = most;
    if (most === 0) continue;
    const inverse = f32(127 * f32(1 / most));
    for (let i = start; i < start + columns; i++) codes[i] = roundHalfEven(f32(inlier(data[i]) * inverse));
  }
  return { codes, maxima };
}

/** `sum * rowMaximum * columnMaximum / 127^2 + bias` in float32, `[rows, out]`. */
export function dequantizeSums(
  sums: Int32Array,
  rowMaxima: Float32Array,
  columnMaxima: Float32Array,
  bias: Float32Array | null,
): Float32Array {
  const unit = f32(1 / 127 ** 2), out = columnMaxima.length;
  const values = new Float32Array(sums.length);
  for (const [row, maximum] of rowMaxima.entries()) {
    for (let i = row * out, j = 0; j < out; i++, j++) {
      values[i] = f32(f32(f32(sums[i]) * f32(maximum * columnMaxima[j])) * unit) + (bias?.[j] ?? 0);
    }
  }
  return values;
}

/** Values as float16 holds them; magnitudes from 65520 on become infinite. */
export function halfPrecision(values: Float32Array): Float32Array {
  return Float32Array.from(new Float16Array(values));
}

/** A weight `[out, in]` in int8 with one maximum per output feature. */
export class Int8Weight implements StoredWeight {
  readonly codes: Int8Array;
  readonly maxima: Float32Array;

  constructor(
    readonly shape: readonly [out: number, inputs: number],
    { codes, maxima }: Int8Vectors,
    /** Bytes of what is kept beside codes and maxima. */
    private readonly otherBytes = 0,
  ) {
    this.codes = codes;
    this.maxima = maxima;
  }

  get byteLength(): number {
    return this.codes.byteLength + this.maxima.byteLength + this.otherBytes;
  }

  dequantize(): Float32Array {
    return this.columns(Array.from({ length: this.shape[1] }, (_, j) => j));
  }

  /** The dequantized columns `[out, selected.length]`, by multiplication with 1/127 as in bitsandbytes. */
  columns(selected: readonly number[]): Float32Array {
    const [out, inputs] = this.shape;
    const values = new Float32Array(out * selected.length);
    for (let row = 0, i = 0; row < out; row++) {
      for (const column of selected) {
        values[i++] = f32(this.codes[row * inputs + column] * this.maxima[row]) * f32(1 / 127);
      }
    }
    return values;
  }
}
