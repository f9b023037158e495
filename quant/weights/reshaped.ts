/** A weight whose groups cross the ends of its rows, held as a matrix of another shape. */
import type { StoredWeight } from "../../model/decoder/parameter.ts";

/** The values of another weight, row by row in another shape. No device has a kernel for it. */
export class ReshapedWeight implements StoredWeight {
  /** Takes a weight with as many values. */
  constructor(
    /** Rows and columns of the weight. */
    readonly shape: readonly [out: number, inputs: number],
    private readonly weight: StoredWeight,
  ) {}

  get byteLength(): number {
    return this.weight.byteLength;
  }

  dequantize(): Float32Array {
    return this.weight.dequantize();
  }
}
