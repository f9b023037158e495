/** `x^T x` on the GPU, summed in pairs of float32 where float64 is missing. */

import * as check from "../check.ts";
import type { DeviceBuffer, DeviceGram } from "../device.ts";
import { kernels } from "./kernels.ts";
import { runGemm } from "./gemm.ts";
import type { Recorder } from "./recorder.ts";
import { type Memory, Piece } from "./storage.ts";
import type { Views } from "./views.ts";

/** Rows that are summed in float32 before the sum is added to the accumulator. */
const rowBlock = 256;

/** Rows of the matrix per buffer: as many as can be bound, a multiple of 64 so that columns of `x` are aligned. */
function heightOf(columns: number, bindingBytes: number): number {
  return Math.max(64, Math.floor(bindingBytes / (8 * columns * 64)) * 64);
}

/** The accumulator, cut into bands of rows. */
export class GpuGram extends Piece implements DeviceGram {
  readonly #height: number;

  constructor(
    private readonly recorder: Recorder,
    private readonly store: Memory,
    private readonly views: Views,
    readonly columns: number,
  ) {
    const height = heightOf(columns, views.bindingBytes), sizes: number[] = [];
    for (let first = 0; first < columns; first += height) {
      sizes.push(Math.min(height, columns - first) * columns * 8);
    }
    super(store, "gram", sizes, true);
    this.#height = height;
  }

  add(x: DeviceBuffer, rows: number): void {
    const op = "gram.add", { columns } = this;
    check.checkColumns(op, x, columns, rows);
    const bands = this.open(this.store, op, "accumulator");
    for (let row = 0; row < rows; row += rowBlock) {
      const count = Math.min(rowBlock, rows - row);
      const right = this.views.part(op, "x", x, row * columns, count * columns);
      for (const [i, acc] of bands.entries()) {
        const first = i * this.#height, height = Math.min(this.#height, columns - first);
        const bytes = height * columns * 4;
        const product = this.store.take(op, bytes, false);
        const view = { buffer: product, size: bytes };
        const left = {
          ...right,
          offset: (right.offset ?? 0) + first * 4,
          size: (right.size ?? 0) - first * 4,
        };
        runGemm(
          this.recorder,
          left,
          right,
          view,
          { m: height, n: columns, k: count, transposeA: true },
          columns,
        );
        this.recorder.dispatch(
          kernels.accumulate,
          { x: view, acc: { buffer: acc } },
          { count: height * columns, nothing: 0 },
          Math.ceil(height * columns / 256),
        );
        this.store.give(product, bytes);
      }
    }
  }

  async read(): Promise<Float64Array> {
    const { columns } = this;
    const bands = this.open(this.store, "gram.read", "accumulator");
    const result = new Float64Array(columns * columns);
    for (const [i, acc] of bands.entries()) {
      const first = i * this.#height * columns;
      const count = Math.min(this.#height * columns, columns * columns - first);
      const pairs = new Float32Array(await this.recorder.read(acc, 0, count * 8));
      for (let j = 0; j < count; j++) result[first + j] = pairs[2 * j] + pairs[2 * j + 1];
    }
    return result;
  }
}
