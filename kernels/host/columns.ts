/** Columns of a matrix as a matrix of their own. */

/** Some columns of a matrix. */
export function takeColumns(
  x: Float32Array,
  y: Float32Array,
  { rows, columns, first, count }: Record<"rows" | "columns" | "first" | "count", number>,
): void {
  for (let row = 0; row < rows; row++) {
    y.set(x.subarray(row * columns + first, row * columns + first + count), row * count);
  }
}
