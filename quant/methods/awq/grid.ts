/**
 * AWQ's grid: asymmetric groups of a row, and how far their range is clipped. Unlike in GPTQ's grid, 0 need not lie in the
 * range.
 */
import type { UniformQuantizer } from "../../../kernels/quantizer.ts";
import { roundHalfEven } from "../../../kernels/round.ts";
import type { Matrix } from "../../method.ts";
import { UniformWeight } from "../../weights/uniform.ts";
import { SchemeError } from "../../error.ts";
import { groupSizeOf } from "../../options.ts";
import { decode, encode, range } from "../../grids/uniform.ts";

/** Which weights share a scale and zero point; a `groupSize` of -1 means the whole row. */
export interface Groups {
  readonly bits: number;
  readonly groupSize: number;
}

/** The quantizer of a range. Its zero point is a code, so a range that lies far from 0 loses its far end. */
export function awqQuantizer(least: number, most: number, bits: number): UniformQuantizer {
  const highest = 2 ** bits - 1;
  const scale = Math.fround(Math.max(Math.fround(most - least), 1e-5) / highest);
  const zero = Math.min(Math.max(-roundHalfEven(Math.fround(least / scale)), 0), highest);
  return { scale, zero: zero + 0, lowest: 0, highest };
}

/** Codes, scales and zero points of a weight `[out, in]`, round to nearest. */
export function quantizeGroups(
  { rows, columns, data }: Matrix,
  { bits, groupSize: size }: Groups,
): UniformWeight {
  const groupSize = groupSizeOf({ groupSize: size }, columns);
  if (columns % groupSize !== 0) {
    throw new SchemeError("shape", `groupSize ${groupSize} does not divide ${columns} input features`);
  }
  const groups = data.length / groupSize;
  const codes = new Uint8Array(data.length),
    scales = new Float32Array(groups),
    zeros = new Uint8Array(groups);
  for (let group = 0; group < groups; group++) {
    const start = group * groupSize;
    const quantizer = awqQuantizer(...range(data, start, groupSize, plain(bits)), bits);
    [scales[group], zeros[group]] = [quantizer.scale, quantizer.zero];
    for (let i = start; i < start + groupSize; i++) codes[i] = encode(data[i], quantizer);
  }
  return new UniformWeight({ shape: [rows, columns], bits, groupSize, codes, scales, zeros });
}

/** The values of {@linkcode quantizeGroups} without storing them. */
export function roundGroups({ columns, data }: Matrix, { bits, groupSize: size }: Groups): Float32Array {
  const groupSize = groupSizeOf({ groupSize: size }, columns), values = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += groupSize) {
    const quantizer = awqQuantizer(...range(data, start, groupSize, plain(bits)), bits);
    for (let i = start; i < start + groupSize; i++) values[i] = decode(encode(data[i], quantizer), quantizer);
  }
  return values;
}

const plain = (bits: number) => ({ bits, mode: "asymmetric", zeroInRange: false }) as const;

/**
 * Clips each group of each row to `+-r * absmax` with the `r` from 1, 0.95 to 0.55 that changes the row's output least:
 * `d^T (X^T X) d` over the group's inputs, with `d` what quantization changes. `gram` is `X^T X` `[in, in]`.
 */
export function clipGroups(
  weight: Matrix,
  gram: Float64Array,
  { bits, groupSize: size }: Groups,
): Float32Array {
  const { columns, data } = weight, groupSize = groupSizeOf({ groupSize: size }, columns);
  const clipped = data.slice(), d = new Float64Array(groupSize);
  for (let start = 0; start < data.length; start += groupSize) {
    const own = data.subarray(start, start + groupSize), first = start % columns;
    const [least, most] = range(data, start, groupSize, plain(bits));
    const absmax = Math.max(Math.abs(least), Math.abs(most));
    let bestError = Infinity, best = absmax;
    for (let i = 0; i < 10; i++) {
      const limit = Math.fround((1 - i / 20) * absmax);
      const quantizer = awqQuantizer(Math.max(least, -limit), Math.min(most, limit), bits);
      for (let j = 0; j < groupSize; j++) {
        const value = Math.min(Math.max(own[j], -limit), limit);
        d[j] = decode(encode(value, quantizer), quantizer) - own[j];
      }
      let error = 0;
      for (let j = 0; j < groupSize; j++) {
        const row = (first + j) * columns + first;
        let sum = 0;
        for (let k = 0; k < groupSize; k++) sum += gram[row + k] * d[k];
        error += d[j] * sum;
      }
      if (error < bestError) [bestError, best] = [error, limit];
    }
    for (let j = 0; j < groupSize; j++) clipped[start + j] = Math.min(Math.max(own[j], -best), best);
  }
  return clipped;
}

/** Makes the Gram matrix `[columns, columns]` of inputs that of the same inputs divided by `scales`, one a column. */
export function divideGram(gram: Float64Array, scales: Float32Array): void {
  const columns = scales.length;
  for (let i = 0; i < gram.length; i++) gram[i] /= scales[Math.floor(i / columns)] * scales[i % columns];
}
