/** Which weights would stretch the grid of their group: SpQR's leave-one-out test (algorithm 1, `outliers`). */
import { decodeRealZero, encodeRealZero, fitRealZero } from "../../grids/real_zero.ts";
import type { Precision } from "../../grids/precision.ts";

/** What the leave-one-out test runs with. */
export interface OutlierTest {
  readonly bits: number;
  readonly precision: Precision;
  /** Outliers are weights that lower the group's error by more than this when they are left out. */
  readonly threshold: number;
}

/**
 * The range of a group of weights of one row without its likely outliers. Column `j` costs
 * `((w^_j - w_j) / pivot_j)^2`; weight `i` is a likely outlier when the cost of the group falls by more than the
 * threshold once `i` neither counts nor shapes the grid. A group of nothing but outliers gets the empty range.
 *
 * Only the ends of the range shape the grid: leaving out any other weight saves its own cost and no more.
 */
export function rangeWithoutOutliers(
  values: Float64Array,
  pivots: Float64Array,
  test: OutlierTest,
): [least: number, most: number] {
  const count = values.length;
  let low = 0, high = 0;
  for (let j = 1; j < count; j++) {
    if (values[j] < values[low]) low = j;
    if (values[j] > values[high]) high = j;
  }
  const costs = new Float64Array(count);
  const total = cost(values, pivots, -1, values[low], values[high], test, costs);
  let least = Infinity, most = -Infinity;
  for (let i = 0; i < count; i++) {
    let saved = costs[i];
    if (count > 1 && (i === low || i === high)) {
      let first = Infinity, last = -Infinity;
      for (let j = 0; j < count; j++) {
        if (j === i) continue;
        first = Math.min(first, values[j]);
        last = Math.max(last, values[j]);
      }
      saved = total - cost(values, pivots, i, first, last, test);
    }
    if (saved > test.threshold) continue;
    least = Math.min(least, values[i]);
    most = Math.max(most, values[i]);
  }
  return least > most ? [0, 0] : [least, most];
}

/** Summed cost of all weights but one, on the grid of a range. */
function cost(
  values: Float64Array,
  pivots: Float64Array,
  left: number,
  least: number,
  most: number,
  { bits, precision }: OutlierTest,
  costs?: Float64Array,
): number {
  const quantizer = fitRealZero(least, most, bits, precision);
  let sum = 0;
  for (let j = 0; j < values.length; j++) {
    if (j === left) continue;
    const code = encodeRealZero(values[j], quantizer, bits);
    const error = (decodeRealZero(code, quantizer) - values[j]) / pivots[j];
    sum += error * error;
    if (costs !== undefined) costs[j] = error * error;
  }
  return sum;
}
