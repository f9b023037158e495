/** Quantization in plain loops: the only operations whose reference is float32, as their codes must be the same bits. */

import type { QuantizeLayout, UniformRule } from "../codes.ts";
import { fakeQuantizeValue, uniformQuantizer } from "../quantizer.ts";

/** `y = x^` with a range for the tensor, each row, each group of a row, or each column. */
export function fakeQuantize(
  x: Float32Array,
  y: Float32Array,
  rule: UniformRule,
  layout: QuantizeLayout,
): void {
  const { rows, columns, axis, groupSize = columns } = layout;
  if (axis === "tensor") return quantizeRange(x, y, rule, 0, 1, rows * columns);
  if (axis === "column") {
    for (let column = 0; column < columns; column++) quantizeRange(x, y, rule, column, columns, rows);
  } else {
    for (let start = 0; start < rows * columns; start += groupSize) {
      quantizeRange(x, y, rule, start, 1, groupSize);
    }
  }
}

/** Quantizes the `count` values from `start` on, `stride` apart, that share a range. */
function quantizeRange(
  x: Float32Array,
  y: Float32Array,
  rule: UniformRule,
  start: number,
  stride: number,
  count: number,
): void {
  const end = start + count * stride;
  let lowest = Infinity, highest = -Infinity;
  for (let i = start; i < end; i += stride) {
    lowest = Math.min(lowest, x[i]);
    highest = Math.max(highest, x[i]);
  }
  const quantizer = uniformQuantizer(lowest, highest, rule);
  for (let i = start; i < end; i += stride) y[i] = fakeQuantizeValue(x[i], quantizer);
}

/** `acc[j] = max(acc[j], max_i |x[i, j]|)`. */
export function columnAbsMax(x: Float32Array, acc: Float32Array, rows: number): void {
  const columns = acc.length;
  for (let i = 0; i < rows * columns; i++) acc[i % columns] = Math.max(acc[i % columns], Math.abs(x[i]));
}
