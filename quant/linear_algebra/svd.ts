/** Singular values and the best approximation of a rank, in float64. */
import { eigenSymmetric } from "./symmetric.ts";

/** `A = U diag(values) V^T`, where `n` is the smaller of its dimensions. */
export interface Svd {
  /** `[n]`, descending. */
  readonly values: Float64Array;
  /** `U^T` `[n, rows]`: row `k` is the left vector of `values[k]`, zeros where that is 0. */
  readonly left: Float64Array;
  /** `V^T` `[n, columns]` likewise. */
  readonly right: Float64Array;
}

/** A matrix `[rows, columns]`, row-major. */
export interface Values {
  /** Number of rows. */
  readonly rows: number;
  /** Number of columns. */
  readonly columns: number;
  /** Values, row-major. */
  readonly data: ArrayLike<number>;
}

/** Sweeps of rotations at most; two or three are usual, as vectors are nearly orthogonal before the first. */
const mostSweeps = 30;

/**
 * The singular value decomposition of a matrix `[rows, columns]`: eigenvectors of `A^T A` (or of `A A^T`, if that is smaller), then rotations
 * of pairs until the vectors `A v` are orthogonal to rounding (one-sided Jacobi), so that small values lose nothing to the squares.
 *
 * @throws {SchemeError} `values` where the matrix is not finite
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * const { values } = svd({ rows: 2, columns: 2, data: Float32Array.of(3, 0, 4, 5) });
 * assertAlmostEquals(values[0] * values[1], 15, 1e-14);
 * assertAlmostEquals(values[0] ** 2 + values[1] ** 2, 50, 1e-13);
 * ```
 */
export function svd({ rows, columns, data }: Values): Svd {
  const wide = rows < columns, n = Math.min(rows, columns), m = Math.max(rows, columns);
  // The longer dimension runs along rows: `long[i]` is column i of a tall matrix, row i of a wide one.
  const long = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) long[i * m + j] = data[wide ? i * columns + j : j * columns + i];
  }
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let k = 0; k <= i; k++) gram[i * n + k] = dot(long, i, k, m);
  const short = eigenSymmetric(gram, n).vectors.slice(), turned = new Float64Array(n * m);
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      const share = short[k * n + i];
      for (let j = 0; j < m; j++) turned[k * m + j] += share * long[i * m + j];
    }
  }
  orthogonalize(turned, short, n, m);
  const sizes = Float64Array.from({ length: n }, (_, k) => Math.sqrt(dot(turned, k, k, m)));
  const order = Array.from(sizes.keys()).sort((a, b) => sizes[b] - sizes[a] || a - b);
  const values = Float64Array.from(order, (k) => sizes[k]);
  const longs = new Float64Array(n * m), shorts = new Float64Array(n * n);
  for (const [at, k] of order.entries()) {
    for (let j = 0; j < m && sizes[k] > 0; j++) longs[at * m + j] = turned[k * m + j] / sizes[k];
    if (sizes[k] > 0) shorts.set(short.subarray(k * n, (k + 1) * n), at * n);
  }
  return wide ? { values, left: shorts, right: longs } : { values, left: longs, right: shorts };
}

/** Turns pairs of rows of `a` `[n, m]`, and of `v` `[n, n]` with them, until those of `a` are orthogonal. */
function orthogonalize(a: Float64Array, v: Float64Array, n: number, m: number): void {
  const squares = Float64Array.from({ length: n }, (_, k) => dot(a, k, k, m));
  // Rows that are zero but for rounding have no direction.
  const least = squares.reduce((most, one) => Math.max(most, one), 0) * 2 ** -100;
  for (let sweep = 0, turns = 1; turns > 0 && sweep < mostSweeps; sweep++) {
    turns = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const x = squares[p], y = squares[q];
        if (x <= least || y <= least) continue;
        const inner = dot(a, p, q, m);
        if (Math.abs(inner) <= m * 2 ** -53 * Math.sqrt(x * y)) continue;
        turns++;
        const half = (y - x) / (2 * inner), root = Math.sqrt(1 + half * half);
        const tangent = 1 / (half + (half < 0 ? -root : root));
        const cosine = 1 / Math.sqrt(1 + tangent * tangent), sine = cosine * tangent;
        turn(a, p, q, m, cosine, sine);
        turn(v, p, q, n, cosine, sine);
        squares[p] = dot(a, p, p, m);
        squares[q] = dot(a, q, q, m);
      }
    }
  }
}

function turn(a: Float64Array, p: number, q: number, m: number, cosine: number, sine: number): void {
  for (let j = 0, i = p * m, k = q * m; j < m; j++, i++, k++) {
    const one = a[i];
    a[i] = cosine * one - sine * a[k];
    a[k] = sine * one + cosine * a[k];
  }
}

/** Row `i` times row `k` of a matrix with rows of `m`. */
function dot(a: Float64Array, i: number, k: number, m: number): number {
  let sum = 0;
  for (let j = 0, p = i * m, q = k * m; j < m; j++) sum += a[p + j] * a[q + j];
  return sum;
}
