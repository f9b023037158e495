/** Outlier features: input columns in which some token has a magnitude far above the rest (LLM.int8(), section 4). */
import type { Device } from "../kernels/device.ts";
import type { Intervention, LinearInput } from "../model/intervention.ts";
import { halfPrecision } from "./int8_vectors.ts";

/** The columns of `x` `[rows, columns]` in which a float16 magnitude reaches the threshold, in order. */
export function outlierColumns(x: Float32Array, columns: number, threshold: number): number[] {
  if (threshold === 0) return [];
  const found = new Uint8Array(columns);
  for (let i = 0, j = 0; i < x.length; i++) {
    if (Math.abs(x[i]) >= threshold) found[j] = 1;
    if (++j === columns) j = 0;
  }
  return Array.from(found.keys().filter((j) => found[j] === 1));
}

/** An observer that tells how many columns each input of linear layers has above the threshold. */
export function outlierCounter(
  device: Device,
  threshold: number,
  visit: (outliers: number, at: LinearInput) => void,
): Intervention {
  return {
    async input(x, at) {
      const values = halfPrecision(await device.read(x, 0, at.rows * at.columns));
      visit(outlierColumns(values, at.columns, threshold).length, at);
    },
  };
}

/** The chosen columns of a matrix. */
export function selectColumns(
  data: Float32Array,
  columns: number,
  selected: readonly number[],
): Float32Array {
  const part = new Float32Array(data.length / columns * selected.length);
  for (let start = 0, i = 0; start < data.length; start += columns) {
    for (const column of selected) part[i++] = data[start + column];
  }
  return part;
}
