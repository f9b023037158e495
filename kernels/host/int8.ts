/**
 * Products of int8 codes with a float32 kernel, exact in spite of it. Products of codes are at most 128^2, and a float32
 * holds every integer up to 2^24, so sums over at most 1024 columns never round, in any order: the kernel computes what
 * one with int32 accumulators computes. Wider products are cut into such pieces.
 */
import { checkExactly } from "../check.ts";
import type { Device, DeviceInt8Weight, DeviceWeight } from "../device.ts";

/** Columns over which float32 sums of int8 products are exact. */
export const exactColumns = 2 ** 24 / 128 ** 2;

/** The codes of a weight as float32, in pieces of {@linkcode exactColumns} columns. */
export class FloatInt8Weight implements DeviceInt8Weight {
  readonly #pieces: { first: number; width: number; weight: DeviceWeight }[] = [];

  constructor(
    private readonly device: Device,
    codes: Int8Array,
    readonly outFeatures: number,
    readonly inFeatures: number,
  ) {
    for (let first = 0; first < inFeatures; first += exactColumns) {
      const width = Math.min(exactColumns, inFeatures - first);
      const piece = columnsOf(codes, inFeatures, first, width);
      this.#pieces.push({ first, width, weight: device.weight(piece, outFeatures, width) });
    }
  }

  get byteLength(): number {
    return this.#pieces.reduce((sum, { weight }) => sum + weight.byteLength, 0);
  }

  async product(x: Int8Array, rows: number): Promise<Int32Array> {
    const { device, inFeatures, outFeatures } = this;
    checkExactly("int8Weight.product", "x", x, rows * inFeatures);
    const total = new Int32Array(rows * outFeatures);
    for (const { first, width, weight } of this.#pieces) {
      using input = device.upload(columnsOf(x, inFeatures, first, width));
      using output = device.allocate(rows * outFeatures);
      device.linear(input, weight, null, output, rows);
      const part = await device.read(output);
      for (let i = 0; i < total.length; i++) total[i] += part[i];
    }
    return total;
  }

  [Symbol.dispose](): void {
    for (const { weight } of this.#pieces) weight[Symbol.dispose]();
  }
}

/** Columns `[first, first + width)` of a matrix. */
function columnsOf(data: Int8Array, columns: number, first: number, width: number): Float32Array {
  if (width === columns) return Float32Array.from(data);
  const rows = data.length / columns;
  const part = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    part.set(data.subarray(row * columns + first, row * columns + first + width), row * width);
  }
  return part;
}
