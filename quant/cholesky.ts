/**
 * The triangular factor that error compensation runs on, in float64.
 *
 * GPTQ needs the upper triangular U with H^-1 = U^T U. Turning the matrix around (rows and columns in reverse) turns
 * its lower Cholesky factor into an upper one: if P H P = L L^T, then H = (P L P)(P L P)^T with P L P upper
 * triangular, and U = (P L P)^-1. One factorization and one triangular inverse: half the work of the usual
 * factor, invert, factor again.
 */
import { SchemeError } from "./scheme_error.ts";

/** `sum_{k < n} a[i + k] * b[j + k]`, in a fixed order. */
function dot(a: Float64Array, i: number, b: Float64Array, j: number, n: number): number {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, k = 0;
  for (; k + 4 <= n; k += 4) {
    s0 += a[i + k] * b[j + k];
    s1 += a[i + k + 1] * b[j + k + 1];
    s2 += a[i + k + 2] * b[j + k + 2];
    s3 += a[i + k + 3] * b[j + k + 3];
  }
  for (; k < n; k++) s0 += a[i + k] * b[j + k];
  return (s0 + s1) + (s2 + s3);
}

/** Lower Cholesky factor of a symmetric positive definite matrix, in place; the upper triangle is left as it was. */
export function choleskyInPlace(matrix: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      matrix[i * n + j] = (matrix[i * n + j] - dot(matrix, i * n, matrix, j * n, j)) / matrix[j * n + j];
    }
    const pivot = matrix[i * n + i] - dot(matrix, i * n, matrix, i * n, i);
    if (!(pivot > 0 && pivot < Infinity)) {
      throw new SchemeError(
        "hessian",
        `Hessian is not positive definite at column ${
          n - 1 - i
        } (pivot ${pivot}): use more calibration tokens or a larger percdamp`,
      );
    }
    matrix[i * n + i] = Math.sqrt(pivot);
  }
}

/** Inverse of a lower triangular matrix; zeros above the diagonal. */
export function invertLower(lower: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const diagonal = 1 / lower[i * n + i];
    const row = inverse.subarray(i * n, i * n + i + 1);
    for (let k = 0; k < i; k++) {
      const factor = lower[i * n + k] * diagonal;
      if (factor === 0) continue;
      const above = k * n;
      for (let j = 0; j <= k; j++) row[j] -= factor * inverse[above + j];
    }
    row[i] = diagonal;
  }
  return inverse;
}

/** The upper triangular `U` `[n, n]` with `H^-1 = U^T U`, of a symmetric positive definite `H`. */
export function inverseFactor(hessian: Float64Array, n: number): Float64Array {
  const reversed = new Float64Array(n * n);
  const last = n * n - 1;
  for (let i = 0; i < n * n; i++) reversed[last - i] = hessian[i];
  choleskyInPlace(reversed, n);
  return invertLower(reversed, n).reverse();
}
