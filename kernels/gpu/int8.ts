/** Products of int8 codes on the GPU, exact in int32: what LLM.int8() and W8A8 run on. */

import { checkInteger } from "../check.ts";
import { DeviceError } from "../error.ts";
import type { GpuDevice } from "./device.ts";
import { kernels } from "./kernels.ts";
import { Piece } from "./storage.ts";

/** The codes of a weight `[outFeatures, inFeatures]` on the GPU, a byte each. */
export class Int8Weight extends Piece {
  readonly #device: GpuDevice;

  /** Uploads codes, row-major. */
  constructor(
    device: GpuDevice,
    codes: Int8Array,
    readonly outFeatures: number,
    readonly inFeatures: number,
  ) {
    checkInteger("int8Weight", "outFeatures", outFeatures, 1);
    checkInteger("int8Weight", "inFeatures", inFeatures, 1, (2 ** 31 - 1) / 128 ** 2);
    if (codes.length !== outFeatures * inFeatures) {
      const expected = outFeatures * inFeatures;
      throw new DeviceError(
        "length",
        `int8Weight: codes holds ${codes.length} elements: expected ${expected}`,
      );
    }
    const words = wordsOf(codes, outFeatures, inFeatures);
    super(device.store, "int8Weight", [words.byteLength]);
    this.#device = device;
    device.recorder.write(this.open(device.store, "int8Weight", "weight")[0], 0, words);
  }

  /** The sums `[rows, outFeatures]` of products with the codes `x` `[rows, inFeatures]`. */
  async product(x: Int8Array, rows: number): Promise<Int32Array> {
    const { outFeatures, inFeatures } = this, { recorder, store } = this.#device;
    if (x.length !== rows * inFeatures) {
      throw new DeviceError(
        "length",
        `int8Product: x holds ${x.length} elements: expected ${rows * inFeatures}`,
      );
    }
    const weight = this.open(store, "int8Product", "weight")[0];
    const words = wordsOf(x, rows, inFeatures), bytes = rows * outFeatures * 4;
    using input = new Piece(store, "int8Product", [words.byteLength]);
    using output = new Piece(store, "int8Product", [bytes]);
    const [left] = input.open(store, "int8Product", "x"), [sums] = output.open(store, "int8Product", "y");
    recorder.write(left, 0, words);
    recorder.dispatch(
      kernels.int8Product,
      { x: { buffer: left }, weight: { buffer: weight }, y: { buffer: sums } },
      { m: rows, n: outFeatures, words: words.length / Math.max(1, rows) },
      [Math.ceil(outFeatures / 64), Math.ceil(rows / 64)],
    );
    return new Int32Array(await recorder.read(sums, 0, bytes));
  }
}

/** Rows of codes in words of four, the last one filled up with zeros. */
function wordsOf(codes: Int8Array, rows: number, columns: number): Uint32Array<ArrayBuffer> {
  const words = Math.ceil(columns / 4), bytes = new Int8Array(rows * words * 4);
  for (let row = 0; row < rows; row++) {
    bytes.set(codes.subarray(row * columns, (row + 1) * columns), row * words * 4);
  }
  return new Uint32Array(bytes.buffer);
}
