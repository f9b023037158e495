/**
 * One matrix times vector in every form of the published latency table, on the CPU device: dense, packed codes of 4 and
 * 3 bits (the GPTQ format), and binary codes of 4 and 3 bits by table look-up, groups of 128. Codes repeat: how fast a
 * product is does not depend on their values.
 */

import type { Device } from "../kernels/device.ts";
import type { PackedIntegers } from "../kernels/codes.ts";
import { binaryRamp, packedRamp, ramp } from "./gate/work.ts";
import type { Work } from "./measure.ts";

/** The forms of a weight, and the columns of the published table that they correspond to. */
export const forms = {
  "dense": "cublas_fp16_ms",
  "packed, 4 bits": null,
  "packed, 3 bits": "gptq_w3a16_ms",
  "look-up, 4 bits": "lutgemm_w4a16_ms",
  "look-up, 3 bits": "lutgemm_w3a16_ms",
} as const;

/** Name of a form. */
export type Form = keyof typeof forms;

/** One form of a weight, ready to multiply. */
export interface Product {
  readonly form: Form;
  readonly work: Work;
  /** Bytes of the weight as stored. */
  readonly bytes: number;
  /**
   * Error of 16 outputs against float64, as a share of what the roundings of the form allow. Over 1 is a wrong result.
   */
  check(): Promise<number>;
}

/** Products of one shape; disposal frees them. */
export interface Products extends Disposable {
  readonly list: readonly Product[];
}

/** Unit roundoff of float32. */
const u = 2 ** -24;

/** Rows whose results are checked. */
const sampled = (out: number) => Array.from({ length: 16 }, (_, i) => Math.floor(i * out / 16));

/** The largest error of the sampled rows, as a share of `u` times `roundings` times the sum of the magnitudes of terms. */
function worstShare(
  y: Float32Array,
  x: Float32Array,
  weight: (row: number, column: number) => { value: number; size: number },
  roundings: number,
): number {
  let worst = 0;
  for (const row of sampled(y.length)) {
    let sum = 0, size = 0;
    for (let j = 0; j < x.length; j++) {
      const one = weight(row, j);
      sum += one.value * x[j];
      size += one.size * Math.abs(x[j]);
    }
    worst = Math.max(worst, Math.abs(y[row] - sum) / (u * roundings * size));
  }
  return worst;
}

/** The weight `[out, inputs]` in every form. */
export function productsOf(device: Device, out: number, inputs: number): Products {
  const data = ramp(inputs), x = device.upload(data), y = device.allocate(out);
  const stack = new DisposableStack();
  stack.use(x);
  stack.use(y);
  const read = () => device.read(y);
  const list: Product[] = [];
  {
    const values = ramp(out * inputs), weight = stack.use(device.weight(values, out, inputs));
    const work = () => device.linear(x, weight, null, y, 1);
    const at = (row: number, j: number) => sized(values[row * inputs + j]);
    const check = async () => (work(), worstShare(await read(), data, at, inputs));
    list.push({ form: "dense", work, bytes: weight.byteLength, check });
  }
  for (const bits of [4, 3] as const) {
    const packed = packedRamp(out, inputs, bits), weight = stack.use(device.packedWeight(packed));
    const work = () => device.linear(x, weight, null, y, 1);
    // A rounding for each term and six more; the fixed point of the input (2^-22 of its largest) is far below them here.
    const at = (row: number, j: number) => sized(valueOf(packed, row, j));
    const check = async () => (work(), worstShare(await read(), data, at, inputs + 6));
    list.push({ form: `packed, ${bits} bits`, work, bytes: weight.byteLength, check });
  }
  for (const bits of [4, 3] as const) {
    const coded = binaryRamp(out, inputs, bits), weight = stack.use(device.packedWeight(coded));
    const work = () => device.linear(x, weight, null, y, 1);
    const at = (row: number, j: number) => {
      const place = row * inputs + j, first = Math.floor(place / 128) * bits;
      let value = 0, size = 0;
      for (let plane = 0; plane < bits; plane++) {
        const alpha = coded.alphas[first + plane];
        value += coded.patterns[place] >> plane & 1 ? alpha : -alpha;
        size += alpha;
      }
      return { value, size };
    };
    // Tables and sums round less often than there are terms.
    const check = async () => (work(), worstShare(await read(), data, at, inputs));
    list.push({ form: `look-up, ${bits} bits`, work, bytes: weight.byteLength, check });
  }
  return { list, [Symbol.dispose]: () => stack.dispose() };
}

function sized(value: number): { value: number; size: number } {
  return { value, size: Math.abs(value) };
}

function valueOf({ inFeatures, bits, codes, scales, zeros }: PackedIntegers, row: number, j: number): number {
  const place = row * inFeatures + j, bit = place * bits, byte = bit >> 3;
  const code = ((codes[byte] | (codes[byte + 1] ?? 0) << 8) >> (bit & 7)) & ((1 << bits) - 1);
  const range = Math.floor(place / 128);
  return scales[range] * (code - zeros[range]);
}
