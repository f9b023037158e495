/**
 * Means of float32 in the order of PyTorch's CPU kernel. HQQ's zero points are means, and another order of the sum moves a code where a
 * weight lies at a tie: the original's codes come out only in its order.
 *
 * The order (its `cascade_sum`, 256-bit vectors): along contiguous values, 8 lanes times 4 vectors are 32 running sums; down columns, one
 * per column in blocks of 32, and 4 in the columns that no block takes. A running sum is carried into a higher level after 16 terms, so
 * that no sum is long.
 */
const LANES = 8, UNROLLED = 4, LEVELS = 4;
const f32 = Math.fround;

/** Sums `term(0)` to `term(count - 1)` with carries. */
function cascade(count: number, term: (i: number) => number): number {
  const power = Math.max(4, Math.floor(Math.ceil(Math.log2(Math.max(count, 1))) / LEVELS)), step = 1 << power;
  const sums = new Float32Array(LEVELS);
  let i = 0;
  while (i + step <= count) {
    for (let j = 0; j < step; j++, i++) sums[0] += term(i);
    for (let level = 1; level < LEVELS; level++) {
      sums[level] += sums[level - 1];
      sums[level - 1] = 0;
      if ((i & ((step - 1) << (level * power))) !== 0) break;
    }
  }
  for (; i < count; i++) sums[0] += term(i);
  for (let level = 1; level < LEVELS; level++) sums[0] += sums[level];
  return sums[0];
}

/** Four running sums, then their sum. */
function unrolled(count: number, term: (i: number) => number): number {
  const rows = Math.floor(count / UNROLLED);
  const sums = new Float32Array(UNROLLED);
  for (let k = 0; k < UNROLLED; k++) sums[k] = cascade(rows, (i) => term(i * UNROLLED + k));
  for (let i = rows * UNROLLED; i < count; i++) sums[0] += term(i);
  for (let k = 1; k < UNROLLED; k++) sums[0] += sums[k];
  return sums[0];
}

/** The mean of `count` contiguous values, float32. */
export function runMean(values: Float32Array, start: number, count: number): number {
  const vectors = Math.floor(count / LANES);
  let sum = 0;
  if (count < LANES) sum = unrolled(count, (i) => values[start + i]);
  else {
    for (let i = vectors * LANES; i < count; i++) sum = f32(sum + values[start + i]);
    for (let lane = 0; lane < LANES; lane++) {
      sum = f32(sum + unrolled(vectors, (i) => values[start + i * LANES + lane]));
    }
  }
  return f32(sum / count);
}

/** The mean of column `column` of a row-major matrix `[rows, columns]`, float32. */
export function columnMean(values: Float32Array, rows: number, columns: number, column: number): number {
  const inBlock = column < Math.floor(columns / (LANES * UNROLLED)) * LANES * UNROLLED;
  const sum = (inBlock ? cascade : unrolled)(rows, (i) => values[i * columns + column]);
  return f32(sum / rows);
}
