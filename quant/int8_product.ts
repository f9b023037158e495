/**
 * Matrix products of int8 codes that are exact on every device. Products of codes are at most 127^2, and a float32
 * holds every integer up to 2^24, so sums over at most 1040 columns never round, in any order: the device's float32
 * kernel then computes what an int8 kernel with int32 accumulators computes. Wider products are cut into such pieces.
 */
import type { Device, DeviceBuffer, DeviceWeight } from "../kernels/device.ts";

/** Columns over which float32 sums of int8 products are exact. */
export const exactColumns = Math.floor(2 ** 24 / 127 ** 2);

/** The codes of a weight, ready to be multiplied. */
export class Int8Product implements Disposable {
  readonly #pieces: { first: number; width: number; weight: DeviceWeight }[] = [];

  /** `codes`: integers of at most 127 in magnitude, `[out, in]`. */
  constructor(
    private readonly device: Device,
    codes: ArrayLike<number>,
    private readonly outFeatures: number,
    private readonly inFeatures: number,
  ) {
    for (let first = 0; first < inFeatures; first += exactColumns) {
      const width = Math.min(exactColumns, inFeatures - first);
      const piece = slice(codes, inFeatures, first, width);
      this.#pieces.push({ first, width, weight: device.weight(piece, outFeatures, width) });
    }
  }

  /** Bytes on the device. */
  get byteLength(): number {
    return this.#pieces.reduce((sum, { weight }) => sum + weight.byteLength, 0);
  }

  /** The integer sums `[rows, out]` of the codes `x` `[rows, in]`; float64, which is exact beyond 2^24. */
  async sums(x: Float32Array, rows: number): Promise<Float64Array> {
    const { device, inFeatures, outFeatures } = this;
    const total = new Float64Array(rows * outFeatures);
    for (const { first, width, weight } of this.#pieces) {
      using input = device.upload(width === inFeatures ? x : slice(x, inFeatures, first, width));
      using output: DeviceBuffer = device.allocate(rows * outFeatures);
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
function slice(data: ArrayLike<number>, columns: number, first: number, width: number): Float32Array {
  const rows = data.length / columns;
  const part = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < width; j++) part[row * width + j] = data[row * columns + first + j];
  }
  return part;
}
