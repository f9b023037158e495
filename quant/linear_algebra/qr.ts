/** The orthogonal factor of a square matrix, in float64. */
import { SchemeError } from "../error.ts";

/**
 * `Q` `[n, n]` of `A = Q R` with a positive diagonal of `R`, which makes it unique: columns made orthogonal one after the other
 * (Gram-Schmidt), twice, so that they are so to rounding.
 *
 * @throws {SchemeError} `values` where the columns are not independent
 */
export function orthogonalFactor(matrix: Float64Array, n: number): Float64Array {
  // Columns as rows, so that sums run over neighbours.
  const columns = Array.from(
    { length: n },
    (_, j) => Float64Array.from({ length: n }, (_, i) => matrix[i * n + j]),
  );
  for (const [j, column] of columns.entries()) {
    const size = Math.sqrt(dot(column, column));
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        const share = dot(columns[k], column);
        for (let i = 0; i < n; i++) column[i] -= share * columns[k][i];
      }
    }
    const rest = Math.sqrt(dot(column, column));
    if (!(rest > 1e-12 * size)) {
      throw new SchemeError(
        "values",
        `column ${j} of a matrix of ${n} depends on the others: expected independent ones`,
      );
    }
    for (let i = 0; i < n; i++) column[i] /= rest;
  }
  return Float64Array.from({ length: n * n }, (_, k) => columns[k % n][Math.floor(k / n)]);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
