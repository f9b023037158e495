/**
 * Attention of one query over keys and values in packed groups, with sums in float64: what devices without a kernel for
 * it run. Products with the values of a group never build them: the factor goes into the scale and the minimum once, and
 * codes are shifted out of their words one after the other.
 */

import { exp, tanh } from "../../base/elementary.ts";
import { checkAttention, checkInteger, checkLength } from "../check.ts";
import type { AttentionShape, DeviceBuffer, PackedTokens } from "../device.ts";
import { DeviceError } from "../error.ts";
import { visibleKeys } from "./functions.ts";

/** The parts of {@linkcode PackedTokens} in memory that can be read at once. */
export interface ReadableTokens extends Omit<PackedTokens, "words" | "ranges" | "recent"> {
  readonly words: Uint32Array;
  readonly ranges: Float32Array;
  readonly recent: Float32Array;
}

/** Reads the buffers of a side with `view`, which gets the names of arguments. */
export function readableTokens(
  name: string,
  side: PackedTokens,
  view: (argument: string, buffer: DeviceBuffer) => Float32Array,
): ReadableTokens {
  const { bits, groupSize, axis, quantized, recentTokens } = side, words = view(`${name}.words`, side.words);
  return {
    ...{ bits, groupSize, axis, quantized, recentTokens },
    words: new Uint32Array(words.buffer, words.byteOffset, words.length),
    ranges: view(`${name}.ranges`, side.ranges),
    recent: view(`${name}.recent`, side.recent),
  };
}

/** Words of a group: codes do not straddle them. */
export function wordsPerGroup({ bits, groupSize }: Pick<PackedTokens, "bits" | "groupSize">): number {
  return Math.ceil(groupSize / Math.floor(32 / bits));
}

/** Throws unless the shape is that of one query, and each side holds the tokens that it should. */
export function checkPackedAttention(
  q: DeviceBuffer,
  keys: PackedTokens,
  values: PackedTokens,
  y: DeviceBuffer,
  shape: AttentionShape,
): void {
  const op = "packedAttention";
  checkInteger(op, "tokens", shape.tokens, 1, 1);
  checkAttention(op, { q, y }, shape);
  if (shape.slopes) throw new DeviceError("shape", `${op}: slopes are given: expected none`);
  const width = shape.kvHeads * shape.headDim;
  for (const [name, side] of Object.entries({ keys, values })) {
    const { bits, groupSize, quantized, axis, recentTokens } = side;
    checkInteger(op, `${name}.bits`, bits, 1, 8);
    checkInteger(op, `${name}.groupSize`, groupSize, 1);
    checkInteger(op, `${name}.quantized`, quantized, 0, shape.kvTokens);
    checkInteger(op, `${name}.recentTokens`, recentTokens, Math.max(1, shape.kvTokens - quantized));
    const along = axis === "channel" ? quantized : shape.headDim;
    if (along % groupSize !== 0) {
      const what = axis === "channel" ? `${quantized} quantized tokens` : `${along} dimensions of a head`;
      throw new DeviceError(
        "shape",
        `${op}: ${name}.groupSize is ${groupSize}: expected a divisor of ${what}`,
      );
    }
    const groups = quantized * width / groupSize;
    checkLength(op, `${name}.words`, side.words, groups * wordsPerGroup(side));
    checkLength(op, `${name}.ranges`, side.ranges, groups * 2);
    checkLength(op, `${name}.recent`, side.recent, recentTokens * width);
  }
}

/** `y = softmax(scale q k^T) v` for each head of one query. */
export function packedAttention(
  q: Float32Array,
  keys: ReadableTokens,
  values: ReadableTokens,
  y: Float32Array,
  shape: AttentionShape,
): void {
  const { heads, kvHeads, headDim, kvTokens, scale, softcap } = shape, width = kvHeads * headDim;
  const [first, end] = visibleKeys(0, shape);
  for (let head = 0; head < heads; head++) {
    const offset = Math.floor(head * kvHeads / heads) * headDim;
    const weights = new Float64Array(kvTokens);
    addScores(keys, q.subarray(head * headDim, (head + 1) * headDim), offset, width, weights);
    let most = -Infinity, total = 0;
    for (let t = first; t < end; t++) {
      weights[t] *= scale;
      if (softcap !== undefined) weights[t] = softcap * tanh(weights[t] / softcap);
      most = Math.max(most, weights[t]);
    }
    for (let t = first; t < end; t++) total += weights[t] = exp(weights[t] - most);
    const sums = new Float64Array(headDim);
    addValues(values, weights.fill(0, 0, first), offset, width, sums);
    for (let d = 0; d < headDim; d++) y[head * headDim + d] = sums[d] / total;
  }
}

/** `scores[t] += sum_d query[d] x[t, offset + d]`. */
function addScores(
  side: ReadableTokens,
  query: Float32Array,
  offset: number,
  width: number,
  scores: Float64Array,
): void {
  const { axis, groupSize, quantized, recent, recentTokens } = side;
  if (axis === "channel") {
    for (let t = 0; t < quantized; t += groupSize) {
      const group = t / groupSize * width + offset;
      for (let d = 0; d < query.length; d++) accumulate(side, group + d, query[d], scores, t);
    }
  } else {
    for (let t = 0; t < quantized; t++) {
      for (let d = 0; d < query.length; d += groupSize) {
        scores[t] += dot(side, (t * width + offset + d) / groupSize, query, d);
      }
    }
  }
  for (let t = quantized; t < scores.length; t++) {
    const row = t % recentTokens * width + offset;
    for (let d = 0; d < query.length; d++) scores[t] += query[d] * recent[row + d];
  }
}

/** `sums[d] += sum_t weights[t] x[t, offset + d]`. */
function addValues(
  side: ReadableTokens,
  weights: Float64Array,
  offset: number,
  width: number,
  sums: Float64Array,
): void {
  const { axis, groupSize, quantized, recent, recentTokens } = side;
  if (axis === "channel") {
    for (let t = 0; t < quantized; t += groupSize) {
      const group = t / groupSize * width + offset;
      for (let d = 0; d < sums.length; d++) sums[d] += dot(side, group + d, weights, t);
    }
  } else {
    for (let t = 0; t < quantized; t++) {
      for (let d = 0; d < sums.length; d += groupSize) {
        accumulate(side, (t * width + offset + d) / groupSize, weights[t], sums, d);
      }
    }
  }
  for (let t = quantized; t < weights.length; t++) {
    const row = t % recentTokens * width + offset;
    for (let d = 0; d < sums.length; d++) sums[d] += weights[t] * recent[row + d];
  }
}

/** `sums[at + i] += factor * x_i` for the values of a group. */
function accumulate(
  side: ReadableTokens,
  group: number,
  factor: number,
  sums: Float64Array,
  at: number,
): void {
  const { words, ranges, bits, groupSize } = side, top = 2 ** bits - 1, perWord = Math.floor(32 / bits);
  const scale = factor * ranges[2 * group], minimum = factor * ranges[2 * group + 1];
  const end = at + groupSize;
  for (let i = at, w = group * wordsPerGroup(side); i < end; w++) {
    let word = words[w];
    for (const stop = Math.min(i + perWord, end); i < stop; i++, word >>>= bits) {
      sums[i] += scale * (word & top) + minimum;
    }
  }
}

/** `sum_i factors[at + i] * x_i` over the values of a group. */
function dot(side: ReadableTokens, group: number, factors: Float32Array | Float64Array, at: number): number {
  const { words, ranges, bits, groupSize } = side, top = 2 ** bits - 1, perWord = Math.floor(32 / bits);
  let codes = 0, total = 0;
  for (let i = 0, w = group * wordsPerGroup(side); i < groupSize; w++) {
    let word = words[w];
    for (const stop = Math.min(i + perWord, groupSize); i < stop; i++, word >>>= bits) {
      codes += factors[at + i] * (word & top);
      total += factors[at + i];
    }
  }
  return ranges[2 * group] * codes + ranges[2 * group + 1] * total;
}
