/**
 * Means of float32 in the order of PyTorch's CPU kernel. HQQ's zero points are means, and another order of the sum moves a code where a
 * weight lies at a tie: the original's codes come out only in its order.
 *
 * The order (its `cascade_sum`, 256-bit vectors): along contiguous values, 8 lanes times 4 vectors are 32 running sums; down columns, one
 * per column in blocks of 32, and 4 in the columns that no block takes. A running sum is carried into a higher level after 16 terms, so
 * that no sum is long.
 */
import { log2 } from "../../../base/elementary.ts";

const LANES = 8, UNROLLED = 4, LEVELS = 4;
const f32 = Math.fround;

/** Sums `count` values, `stride` apart from `at` on, with carries. */
function cascade(values: Float32Array, at: number, stride: number, count: number): number {
  let sum = 0;
  if (count < 16) {
    for (let i = 0; i < count; i++) sum = f32(sum + values[at + i * stride]);
    return sum;
  }
  const power = Math.max(4, Math.floor(Math.ceil(log2(count)) / LEVELS)), step = 1 << power;
  const levels = new Float32Array(LEVELS);
  let i = 0;
  while (i + step <= count) {
    for (let j = 0; j < step; j++, i++) sum = f32(sum + values[at + i * stride]);
    levels[0] = sum;
    sum = 0;
    for (let level = 1; level < LEVELS; level++) {
      levels[level] += levels[level - 1];
      levels[level - 1] = 0;
      if ((i & ((step - 1) << (level * power))) !== 0) break;
    }
  }
  for (; i < count; i++) sum = f32(sum + values[at + i * stride]);
  for (let level = 1; level < LEVELS; level++) sum = f32(sum + levels[level]);
  return sum;
}

/** Four running sums, then their sum. */
function unrolled(values: Float32Array, at: number, stride: number, count: number): number {
  const rows = Math.floor(count / UNROLLED);
  let sum = cascade(values, at, UNROLLED * stride, rows);
  for (let i = rows * UNROLLED; i < count; i++) sum = f32(sum + values[at + i * stride]);
  for (let k = 1; k < UNROLLED; k++) {
    sum = f32(sum + cascade(values, at + k * stride, UNROLLED * stride, rows));
  }
  return sum;
}

/** The mean of `count` contiguous values, float32. */
export function runMean(values: Float32Array, start: number, count: number): number {
  if (count < LANES) return f32(unrolled(values, start, 1, count) / count);
  const vectors = Math.floor(count / LANES);
  let sum = 0;
  for (let i = vectors * LANES; i < count; i++) sum = f32(sum + values[start + i]);
  for (let lane = 0; lane < LANES; lane++) sum = f32(sum + unrolled(values, start + lane, LANES, vectors));
  return f32(sum / count);
}

/** The mean of column `column` of a row-major matrix `[rows, columns]`, float32. */
export function columnMean(values: Float32Array, rows: number, columns: number, column: number): number {
  const inBlock = column < Math.floor(columns / (LANES * UNROLLED)) * LANES * UNROLLED;
  return f32((inBlock ? cascade : unrolled)(values, column, columns, rows) / rows);
}
