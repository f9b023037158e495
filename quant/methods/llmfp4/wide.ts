/** Floats of more than 8 bits as a stored weight: what the original code makes of 8 bits. */
import type { StoredWeight } from "../../../model/decoder/parameter.ts";
import type { Matrix } from "../../method.ts";
import { bitsOf, type FloatShape, gridOf, roundRun } from "./format.ts";

/** A matrix rounded to a format, a bias per row: held as values, counted as the bits of codes and a float32 per row. */
export class WideFloatWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  readonly byteLength: number;
  readonly #values: Float32Array;

  constructor({ rows, columns, data }: Matrix, shape: FloatShape, biases: Float32Array) {
    this.shape = [rows, columns];
    this.byteLength = Math.ceil(rows * columns * bitsOf(shape) / 8) + 4 * rows;
    this.#values = new Float32Array(data.length);
    const grid = gridOf(shape);
    for (let row = 0; row < rows; row++) {
      roundRun(data, row * columns, columns, this.#values, row * columns, grid, biases[row]);
    }
  }

  dequantize(): Float32Array {
    return this.#values.slice();
  }
}
