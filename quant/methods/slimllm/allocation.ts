/** Which groups have a bit less and which a bit more (SBA). */
import { exp, log } from "../../../base/elementary.ts";
import type { Device } from "../../../kernels/device.ts";
import type { Matrix } from "../../method.ts";
import { codeOf, fitRange, fitSign, valueOf } from "./group.ts";

/** Bits of groups: the `pairs` least salient have one less than `bits`, as many of the most salient one more. */
export function allocate(salience: readonly number[], bits: number, pairs: number): number[] {
  const order = Array.from(salience.keys()).sort((a, b) => salience[a] - salience[b] || a - b);
  const result = salience.map(() => bits);
  for (const group of order.slice(0, pairs)) result[group]--;
  for (const group of pairs === 0 ? [] : order.slice(-pairs)) result[group]++;
  return result;
}

/** Sums of `w^2 / U_jj^2` over the groups of a weight; `pivots` are `1 / U_jj`. */
export function groupSalience(
  { rows, columns, data }: Matrix,
  pivots: Float64Array,
  groupSize: number,
): number[] {
  const sums = new Array<number>(columns / groupSize).fill(0);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let j = 0; j < columns; j++, i++) sums[Math.floor(j / groupSize)] += (data[i] * pivots[j]) ** 2;
  }
  return sums;
}

/** A weight with each group rounded to its bits, from the smallest to the largest value. */
export function roundGroups({ rows, columns, data }: Matrix, precisions: readonly number[]): Float32Array {
  const size = columns / precisions.length, result = new Float32Array(data.length);
  for (let first = 0, k = 0; first < rows * columns; first += size, k++) {
    const values = data.subarray(first, first + size), bits = precisions[k % precisions.length];
    const quantizer = bits === 1 ? fitSign(values) : fitRange(values, bits);
    for (let j = 0; j < size; j++) result[first + j] = valueOf(codeOf(values[j], quantizer), quantizer);
  }
  return result;
}

/** Probabilities below this count as this. */
const floor = log(1e-6);

/**
 * Mean over rows of the divergence of softmax outputs, both floored at 1e-6: `original` from `quantized` by the paper's formula, the other way
 * round (`sum q (ln q - ln p)`) by its code's. Both are logarithms of probabilities.
 */
export function divergence(
  quantized: Float32Array,
  original: Float32Array,
  rows: number,
  reversed: boolean,
): number {
  const [from, to] = reversed ? [quantized, original] : [original, quantized];
  let sum = 0;
  for (let i = 0; i < from.length; i++) {
    const p = Math.max(from[i], floor), q = Math.max(to[i], floor);
    if (p !== q) sum += exp(p) * (p - q);
  }
  return sum / rows;
}

/** What {@linkcode searchPairs} compares. */
export interface PairsSearch {
  readonly salience: readonly number[];
  readonly bits: number;
  /** Inputs `[tokens, columns]` of each window. */
  readonly inputs: readonly Float32Array[];
  /** Added to the output that is the reference; null where there is none. */
  readonly bias: Float32Array | null;
  /** Whether the quantized output has the bias too. */
  readonly biased: boolean;
  readonly reversed: boolean;
}

/** Divergences of the layer's output, mean over windows, of 1, 2, ... pairs of groups with a bit less and more; none of fewer than four groups. */
export async function searchPairs(device: Device, weight: Matrix, search: PairsSearch): Promise<number[]> {
  const { salience, bits, inputs, bias, biased, reversed } = search, { rows, columns } = weight;
  const outputs = async (values: Float32Array, added: Float32Array | null, x: Float32Array) => {
    const tokens = x.length / columns;
    using matrix = device.weight(values, rows, columns);
    using offset = added && device.upload(added);
    using input = device.upload(x);
    using output = device.allocate(tokens * rows);
    device.linear(input, matrix, offset, output, tokens);
    device.logSoftmax(output, output, tokens, rows);
    return await device.read(output);
  };
  const errors = new Array<number>(Math.max(0, Math.floor(salience.length / 2) - 1)).fill(0);
  if (errors.length === 0) return errors;
  const rounded = errors.map((_, p) => roundGroups(weight, allocate(salience, bits, p + 1)));
  for (const x of inputs) {
    const tokens = x.length / columns, expected = await outputs(weight.data, bias, x);
    for (const [p, values] of rounded.entries()) {
      const got = await outputs(values, biased ? bias : null, x);
      errors[p] += divergence(got, expected, tokens, reversed) / inputs.length;
    }
  }
  return errors;
}
