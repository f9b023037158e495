/** Eigenvalues and eigenvectors of a symmetric matrix, in float64. */
import { SchemeError } from "../error.ts";

/** Of a symmetric `A` `[n, n]`. */
export interface Eigen {
  /** `[n]`, ascending. */
  readonly values: Float64Array;
  /** `[n, n]`: row `k` is the eigenvector of `values[k]`; their signs are free. */
  readonly vectors: Float64Array;
}

/** Steps that one eigenvalue may take; a few are usual. */
const mostSteps = 60;

/**
 * Householder reflections make the matrix tridiagonal, implicit QL steps with Wilkinson's shift diagonal (Golub and Van Loan, Matrix
 * Computations, sections 8.3.1 and 8.3.3). Only the lower triangle is read.
 *
 * @throws {SchemeError} `values` where the matrix is not finite
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * const { values } = eigenSymmetric(Float64Array.of(2, 1, 1, 2), 2);
 * assertAlmostEquals(values[0], 1, 1e-15);
 * assertAlmostEquals(values[1], 3, 1e-15);
 * ```
 */
export function eigenSymmetric(matrix: Float64Array, n: number): Eigen {
  const bad = matrix.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new SchemeError(
      "values",
      `a symmetric matrix of ${n} has ${matrix[bad]} at ${bad}: expected finite`,
    );
  }
  const { diagonal, beside, rows } = tridiagonal(matrix, n);
  for (let first = 0; first < n; first++) isolate(diagonal, beside, rows, first, n);
  const order = Array.from(diagonal.keys()).sort((a, b) => diagonal[a] - diagonal[b] || a - b);
  const vectors = new Float64Array(n * n);
  for (const [k, from] of order.entries()) vectors.set(rows.subarray(from * n, (from + 1) * n), k * n);
  return { values: Float64Array.from(order, (k) => diagonal[k]), vectors };
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** `beside[k]` stands between `diagonal[k]` and `diagonal[k + 1]`. */
  readonly beside: Float64Array;
  /** `Q^T` of `A = Q T Q^T`. */
  readonly rows: Float64Array;
}

function tridiagonal(matrix: Float64Array, n: number): Tridiagonal {
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = matrix[i * n + j];
  const diagonal = new Float64Array(n), beside = new Float64Array(n), mirrors: Float64Array[] = [];
  const product = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    // Row k stands for column k: the matrix stays symmetric.
    const v = a.slice(k * n, (k + 1) * n).fill(0, 0, k + 1), size = Math.sqrt(dot(v, v, 0, 0, n));
    diagonal[k] = a[k * n + k];
    const lead = v[k + 1] > 0 ? -size : size;
    beside[k] = lead;
    v[k + 1] -= lead;
    const square = dot(v, v, 0, 0, n);
    // Scaled so that the reflection is 1 - v v^T.
    if (square > 0) { for (let i = k + 1; i < n; i++) v[i] *= Math.sqrt(2 / square); }
    mirrors.push(v);
    let half = 0;
    for (let i = k + 1; i < n; i++) half += (product[i] = dot(a, v, i * n, 0, n, k + 1)) * v[i] / 2;
    for (let i = k + 1; i < n; i++) product[i] -= half * v[i];
    for (let i = k + 1; i < n; i++) {
      const own = v[i], other = product[i];
      for (let j = k + 1; j < n; j++) a[i * n + j] -= own * product[j] + other * v[j];
    }
  }
  if (n > 0) diagonal[n - 1] = a[n * n - 1];
  // Q^T = ... H_1 H_0 from the last reflection on: each is applied to the right of what has been gathered.
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = 1;
  for (let k = mirrors.length - 1; k >= 0; k--) {
    const v = mirrors[k];
    for (let i = k + 1; i < n; i++) {
      const share = dot(rows, v, i * n, 0, n, k + 1);
      for (let j = k + 1; j < n; j++) rows[i * n + j] -= share * v[j];
    }
  }
  return { diagonal, beside, rows };
}

/** QL steps until `diagonal[first]` is an eigenvalue; rows of vectors turn with it. */
function isolate(d: Float64Array, e: Float64Array, rows: Float64Array, first: number, n: number): void {
  for (let step = 0;; step++) {
    let last = first;
    while (last < n - 1 && Math.abs(e[last]) > 2 ** -53 * (Math.abs(d[last]) + Math.abs(d[last + 1]))) last++;
    if (last === first) return;
    if (step === mostSteps) {
      throw new SchemeError("values", `eigenvalue ${first} of ${n} was not found in ${mostSteps} steps`);
    }
    const half = (d[first + 1] - d[first]) / (2 * e[first]), root = Math.sqrt(half * half + 1);
    let bulge = d[last] - d[first] + e[first] / (half + (half < 0 ? -root : root));
    let sine = 1, cosine = 1, shift = 0, i = last - 1;
    for (; i >= first; i--) {
      const f = sine * e[i], b = cosine * e[i], r = Math.sqrt(f * f + bulge * bulge);
      e[i + 1] = r;
      if (r === 0) {
        d[i + 1] -= shift;
        e[last] = 0;
        break;
      }
      sine = f / r;
      cosine = bulge / r;
      const rest = d[i + 1] - shift, turned = (d[i] - rest) * sine + 2 * cosine * b;
      shift = sine * turned;
      d[i + 1] = rest + shift;
      bulge = cosine * turned - b;
      for (let j = 0, p = i * n, q = p + n; j < n; j++, p++, q++) {
        const next = rows[q];
        rows[q] = sine * rows[p] + cosine * next;
        rows[p] = cosine * rows[p] - sine * next;
      }
    }
    if (i >= first) continue;
    d[first] -= shift;
    e[first] = bulge;
    e[last] = 0;
  }
}

function dot(a: Float64Array, b: Float64Array, at: number, bt: number, n: number, from = 0): number {
  let sum = 0;
  for (let i = from; i < n; i++) sum += a[at + i] * b[bt + i];
  return sum;
}
