/** Weights whose codes stand for columns that a matrix has mixed, and that are mixed back when they are used (AffineQuant). */
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import type { RealZeroWeight } from "./real_zero.ts";

/** `w = q M^T` with `q` as it is stored. */
export class MixedColumnsWeight implements StoredWeight {
  /** Rows and columns of the weight. */
  readonly shape: readonly [number, number];

  /** Takes the parts as they are, without a copy; `readers` weights share the matrix `[in, in]`. */
  constructor(
    /** Codes of the mixed weight. */
    readonly inner: RealZeroWeight,
    /** What mixes them back. */
    readonly matrix: Float32Array,
    /** Weights that the matrix's bytes are shared by. */
    readonly readers: number,
  ) {
    this.shape = inner.shape;
    const [, columns] = inner.shape;
    if (matrix.length !== columns * columns) {
      throw new SchemeError("shape", `matrix has ${matrix.length} values: expected ${columns} x ${columns}`);
    }
  }

  get byteLength(): number {
    return this.inner.byteLength + Math.ceil(this.matrix.byteLength / this.readers);
  }

  dequantize(): Float32Array {
    const { matrix, shape: [, columns] } = this,
      x = this.inner.dequantize(),
      values = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += columns) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let i = 0; i < columns; i++) sum += x[start + i] * matrix[j * columns + i];
        values[start + j] = sum;
      }
    }
    return values;
  }
}
