/** Weights that were rounded with a factor in each column, which inputs carry the inverse of. */
import type { StoredWeight } from "../../model/decoder/parameter.ts";

/** `w_ij = stored_ij / factor_j`. */
export class ColumnScaledWeight implements StoredWeight {
  /** Rows and columns of the weight. */
  readonly shape: readonly [number, number];

  /** Takes the parts as they are. */
  constructor(
    /** What was rounded: the weight times the factors. */
    readonly scaled: StoredWeight,
    /** One per column. */
    readonly factors: Float32Array,
  ) {
    this.shape = scaled.shape;
  }

  get byteLength(): number {
    return this.scaled.byteLength + this.factors.byteLength;
  }

  dequantize(): Float32Array {
    const [, columns] = this.shape;
    return this.scaled.dequantize().map((value, i) => value / this.factors[i % columns]);
  }
}
