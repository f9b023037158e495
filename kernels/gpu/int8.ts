/** Products of int8 codes on the GPU, in int32. */

import { checkExactly } from "../check.ts";
import type { DeviceInt8Weight } from "../device.ts";
import { kernels } from "./kernels.ts";
import { cut, type Part } from "./weights.ts";
import type { Recorder } from "./recorder.ts";
import { type Memory, Piece } from "./storage.ts";

/** The codes of a weight `[outFeatures, inFeatures]`, a byte each, rows of whole words; in parts that can be bound. */
export class GpuInt8Weight extends Piece implements DeviceInt8Weight {
  readonly #parts: readonly Part[];

  constructor(
    private readonly recorder: Recorder,
    private readonly store: Memory,
    private readonly limit: number,
    codes: Int8Array,
    readonly outFeatures: number,
    readonly inFeatures: number,
  ) {
    const rowBytes = Math.ceil(inFeatures / 4) * 4;
    const parts = cut(outFeatures, rowBytes, limit, 1);
    super(store, "int8Weight", parts.map(({ count }) => count * rowBytes));
    this.#parts = parts;
    const buffers = this.open(store, "int8Weight", "weight");
    for (const [i, { first, count }] of parts.entries()) {
      recorder.write(buffers[i], 0, wordsOf(codes, first, count, inFeatures));
    }
  }

  async product(x: Int8Array, rows: number): Promise<Int32Array> {
    const op = "int8Weight.product", { recorder, store, outFeatures, inFeatures } = this;
    checkExactly(op, "x", x, rows * inFeatures);
    const weights = this.open(store, op, "weight");
    const sums = new Int32Array(rows * outFeatures), words = Math.ceil(inFeatures / 4);
    const step = Math.max(1, Math.floor(this.limit / (4 * Math.max(words, outFeatures))));
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row), bytes = count * outFeatures * 4;
      using input = new Piece(store, op, [count * words * 4]), output = new Piece(store, op, [bytes]);
      const [left] = input.open(store, op, "x"), [target] = output.open(store, op, "y");
      recorder.write(left, 0, wordsOf(x, row, count, inFeatures));
      for (const [i, part] of this.#parts.entries()) {
        recorder.dispatch(
          kernels.int8Product,
          { x: { buffer: left }, weight: { buffer: weights[i] }, y: { buffer: target } },
          { m: count, n: part.count, words, y_row: outFeatures, y_first: part.first },
          [Math.ceil(part.count / 64), Math.ceil(count / 64)],
        );
      }
      sums.set(new Int32Array(await recorder.read(target, 0, bytes)), row * outFeatures);
    }
    return sums;
  }
}

/** Some rows of codes in words of four, the last word of a row filled up with zeros. */
function wordsOf(codes: Int8Array, first: number, rows: number, columns: number): Uint32Array<ArrayBuffer> {
  const words = Math.ceil(columns / 4), bytes = new Int8Array(rows * words * 4);
  for (let row = 0; row < rows; row++) {
    const start = (first + row) * columns;
    bytes.set(codes.subarray(start, start + columns), row * words * 4);
  }
  return new Uint32Array(bytes.buffer);
}
