/**
 * The pull of errors on later columns on the GPU, whose arithmetic is float32: products of slices (Ozaki et al.,
 * Numerical Algorithms 2012). Each operand is cut into parts of 8 bits of a common exponent, so that float32 holds
 * every sum of 128 products of parts exactly, in any order, on any GPU; the sums go into pairs of float32. What is left
 * out is 2^-32 of the greatest magnitudes, where one float32 product would round at 2^-24 and turn codes over (measured on
 * 1024 x 2048 weights at 3 and 4 bits: 68 codes of 4 million, here none). The price is ten float32 products for one.
 *
 * Columns inside a block follow one another, each on what the last has left: that stays on the host in float64. Of the
 * multiply-adds of a weight with n columns it is 192 in 192 + n / 2.
 */

import { checkErrorPull, checkPulled } from "../check.ts";
import type { DevicePull } from "../device.ts";
import { runGemm } from "./gemm.ts";
import { kernels } from "./kernels.ts";
import type { Recorder } from "./recorder.ts";
import { type Memory, Piece } from "./storage.ts";
import type { Views } from "./views.ts";
import { cut, type Part } from "./weights.ts";

/** Columns whose errors are multiplied at a time. */
const depth = 128;
/** Parts of an operand, and their bits. Sums of up to six products with the same weight are exact. */
const slices = 4, sliceBits = 8;

/** The sum so far: for some rows of the weight each, `[columns][stride]` pairs of float32. */
export class GpuPull extends Piece implements DevicePull {
  readonly #parts: readonly Part[];
  readonly #columns: number;
  /** Columns of the factor that are multiplied at a time. */
  readonly #height: number;
  #done = 0;

  constructor(
    private readonly recorder: Recorder,
    private readonly store: Memory,
    { bindingBytes }: Views,
    private readonly factor: Float64Array,
    private readonly errors: Float64Array,
    private readonly rows: number,
  ) {
    const columns = checkErrorPull(factor, errors, rows), perColumn = slices * depth * 4;
    const parts = cut(rows, Math.max(8 * columns, perColumn), bindingBytes, 32);
    super(store, "errorPull", parts.map(({ stride }) => columns * stride * 8), true);
    this.#parts = parts;
    this.#columns = columns;
    this.#height = Math.max(1, Math.floor(bindingBytes / perColumn));
  }

  async at(first: number, count: number): Promise<Float64Array> {
    const op = "errorPull.at", { rows } = this;
    checkPulled(this.#columns, this.#done, first, count);
    const sums = this.open(this.store, op, "sum");
    for (; this.#done < first; this.#done = Math.min(this.#done + depth, first)) {
      this.#add(sums, this.#done, Math.min(depth, first - this.#done), first);
    }
    const pull = new Float64Array(count * rows);
    await Promise.all(this.#parts.map(async (part, i) => {
      const bytes = part.stride * 8;
      const pairs = new Float32Array(await this.recorder.read(sums[i], first * bytes, count * bytes));
      for (let j = 0; j < count; j++) {
        for (let r = 0; r < part.count; r++) {
          const at = 2 * (j * part.stride + r);
          pull[j * rows + part.first + r] = -(pairs[at] + pairs[at + 1]);
        }
      }
    }));
    return pull;
  }

  /** Adds the pull of `count` columns from `start` at all columns from `first` on. */
  #add(sums: readonly GPUBuffer[], start: number, count: number, first: number): void {
    const op = "errorPull.at", columns = this.#columns, { recorder, store, rows } = this;
    for (let top = first; top < columns; top += this.#height) {
      const m = Math.min(this.#height, columns - top);
      const factor = sliced(this.factor, { start: start * columns + top, stride: columns, count, width: m });
      using left = new Piece(store, op, [factor.byteLength]);
      const [a] = left.open(store, op, "factor");
      recorder.write(a, 0, factor);
      for (const [i, part] of this.#parts.entries()) {
        const n = part.stride;
        const block = { start: start * rows + part.first, stride: rows, count, width: part.count };
        const errors = sliced(this.errors, block, n, true);
        using right = new Piece(store, op, [errors.byteLength]), sum = new Piece(store, op, [m * n * 4]);
        const [b] = right.open(store, op, "errors"), [product] = sum.open(store, op, "product");
        recorder.write(b, 0, errors);
        // All products of slices whose bits weigh the same are one sum.
        for (let weight = 0; weight < slices; weight++) {
          const k = (weight + 1) * depth, c = { buffer: product, size: m * n * 4 };
          const last = { buffer: b, offset: (slices - 1 - weight) * depth * n * 4, size: k * n * 4 };
          runGemm(recorder, { buffer: a, size: k * m * 4 }, last, c, { m, n, k, transposeA: true });
          recorder.dispatch(
            kernels.accumulate,
            { x: c, acc: { buffer: sums[i], offset: top * n * 8, size: m * n * 8 } },
            { count: m * n, nothing: 0 },
            Math.ceil(m * n / 256),
          );
        }
      }
    }
  }
}

/**
 * The slices of `count` rows of a matrix, `[slices][depth][columns]`: each column is their sum but for 2^-33 of the
 * power of two above its greatest magnitude. From the lowest to the highest with `reversed`.
 */
function sliced(
  from: Float64Array,
  { start, stride, count, width }: Record<"start" | "stride" | "count" | "width", number>,
  columns = width,
  reversed = false,
): Float32Array<ArrayBuffer> {
  const top = new Float64Array(width);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < width; j++) top[j] = Math.max(top[j], Math.abs(from[start + i * stride + j]));
  }
  // The unit of the first slice: 2^-8 of the power of two above.
  const unit = top.map((value) => value > 0 ? 2 ** (Math.floor(Math.log2(value)) + 1 - sliceBits) : 1);
  const cut = new Float32Array(slices * depth * columns);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < width; j++) {
      let rest = from[start + i * stride + j], size = unit[j];
      for (let slice = 0; slice < slices; slice++, size *= 2 ** -sliceBits) {
        const part = Math.round(rest / size) * size;
        cut[((reversed ? slices - 1 - slice : slice) * depth + i) * columns + j] = part;
        rest -= part;
      }
    }
  }
  return cut;
}
