/**
 * QQQ's groups of 4-bit weights for a product of int8: a row has one float32 scale, a group a float16 one that turns its
 * nibbles into int8, `w = rowScale * round(code * groupScale)`. All groups of a row then add up in one integer, and the
 * product is scaled once. The price is a second rounding, of at most half a 127th of the row's largest weight.
 */
import { roundHalfEven } from "../../kernels/round.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import type { UniformWeight } from "./uniform.ts";
import { packBits, unpackBits } from "../grids/bits.ts";

/** A weight of 4-bit groups, stored for the integer kernel. */
export class QqqWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  readonly groupSize: number;
  /** `[out]` */
  readonly rowScales: Float32Array;
  /** `[out, in / groupSize]` */
  readonly groupScales: Float16Array;
  private readonly packedCodes: Uint8Array;

  /** `weight` has codes from 0 to 15 with the zero at 8. */
  constructor(weight: UniformWeight) {
    const [rows, columns] = weight.shape;
    this.shape = weight.shape;
    this.groupSize = weight.groupSize;
    this.packedCodes = packBits(weight.codes(), 4);
    const values = weight.dequantize(), groups = columns / weight.groupSize;
    this.rowScales = Float32Array.from({ length: rows }, (_, row) => {
      const absmax = values.subarray(row * columns, (row + 1) * columns).reduce(
        (m, w) => Math.max(m, Math.abs(w)),
        0,
      );
      return absmax === 0 ? 1 : absmax / 127;
    });
    // A group of nothing but code 8 may have any scale; it must stay finite in float16.
    this.groupScales = Float16Array.from(
      weight.scales,
      (scale, i) => Math.min(scale / this.rowScales[Math.floor(i / groups)], 65504),
    );
  }

  get byteLength(): number {
    return this.packedCodes.byteLength + this.rowScales.byteLength + this.groupScales.byteLength;
  }

  /** The int8 weights `[out, in]` that the kernel multiplies. */
  integers(): Int8Array {
    const codes = unpackBits(this.packedCodes, 4, this.shape[0] * this.shape[1]);
    return Int8Array.from(
      codes,
      (code, i) => roundHalfEven((code - 8) * this.groupScales[Math.floor(i / this.groupSize)]),
    );
  }

  dequantize(): Float32Array {
    const columns = this.shape[1];
    return Float32Array.from(this.integers(), (w, i) => w * this.rowScales[Math.floor(i / columns)]);
  }

  /**
   * `y = W x` for one token as the kernel computes it: `x` `[in]` rounded to int8 with its own scale, an exact integer
   * product, two scales at the end.
   */
  multiply(x: Float32Array): Float32Array {
    const [rows, columns] = this.shape, integers = this.integers();
    const scale = Math.fround(x.reduce((m, value) => Math.max(m, Math.abs(value)), 0) / 127);
    const token = Int8Array.from(x, (value) => scale === 0 ? 0 : roundHalfEven(Math.fround(value / scale)));
    return Float32Array.from({ length: rows }, (_, row) => {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += integers[row * columns + j] * token[j];
      return sum * this.rowScales[row] * scale;
    });
  }
}
