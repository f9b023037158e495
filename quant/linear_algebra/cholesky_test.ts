import { assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import { inverseOfDiagonalBlock, inverseOfUpper, upperFactorInPlace } from "./cholesky.ts";
import { SchemeError } from "../error.ts";

/** A symmetric matrix with eigenvalues of at least 1 (`identity + A A^T / n`). */
function positiveDefinite(n: number, seed: number): Float64Array {
  let state = seed;
  const a = Float64Array.from(
    { length: n * n },
    () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 31 - 1,
  );
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? 1 : 0;
      for (let k = 0; k < n; k++) sum += a[i * n + k] * a[j * n + k] / n;
      matrix[i * n + j] = matrix[j * n + i] = sum;
    }
  }
  return matrix;
}

/** Largest `|a b - c|`, for square matrices. */
function distance(a: Float64Array, b: Float64Array, c: (i: number, j: number) => number, n: number): number {
  let worst = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
      worst = Math.max(worst, Math.abs(sum - c(i, j)));
    }
  }
  return worst;
}

function transpose(a: Float64Array, n: number): Float64Array {
  return a.map((_, i) => a[(i % n) * n + Math.floor(i / n)]);
}

Deno.test("the factor multiplied with itself is the matrix; diagonal blocks are inverted; at sizes around the block's", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 68 }), fc.constant(129)),
      (n) => {
        const matrix = positiveDefinite(n, n);
        const upper = upperFactorInPlace(matrix.slice(), n);
        for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) assertEquals(upper[i * n + j], 0);
        // Eigenvalues lie between 1 and 3: errors stay a small multiple of n u.
        const bound = 20 * n * 2 ** -53;
        assertLessOrEqual(distance(upper, transpose(upper, n), (i, j) => matrix[i * n + j], n), bound);
        const first = n >> 2, count = n - 2 * first;
        const inverse = inverseOfDiagonalBlock(upper, n, first, count);
        const block = Float64Array.from(
          { length: count * count },
          (_, i) => upper[(first + Math.floor(i / count)) * n + first + i % count],
        );
        assertLessOrEqual(distance(inverse, block, (i, j) => i === j ? 1 : 0, count), bound);
      },
    ),
    { numRuns: 12, seed: 3 },
  );
});

Deno.test("a rank deficient, an indefinite and a NaN matrix are refused, with the column", () => {
  const n = 70;
  const vector = Float64Array.from({ length: n }, (_, i) => 1 + i % 3);
  const rankOne = Float64Array.from({ length: n * n }, (_, i) => vector[Math.floor(i / n)] * vector[i % n]);
  const column = (matrix: Float64Array) =>
    assertThrows(() => upperFactorInPlace(matrix, n), SchemeError, "not positive definite").message
      .match(/column (\d+)/)?.[1];
  // The matrix is taken from its end: the last column is fine, the one before it depends on it.
  assertEquals(column(rankOne), "68");
  const indefinite = positiveDefinite(n, 1);
  indefinite[3 * n + 3] = -1;
  assertEquals(column(indefinite), "3");
  const poisoned = positiveDefinite(n, 2);
  poisoned[5 * n + 5] = NaN;
  assertEquals(column(poisoned), "5");
});

Deno.test("the inverse of an upper factor, at sizes of one block and of several", () => {
  for (const n of [1, 5, 64, 65, 130]) {
    const upper = upperFactorInPlace(positiveDefinite(n, 7), n);
    using inverse = inverseOfUpper(upper, n);
    // Rows of the product are sums of n products of numbers around 1: rounding errors of some n units.
    assertLessOrEqual(distance(upper, inverse.data, (i, j) => Number(i === j), n), 64 * n * Number.EPSILON);
  }
});

Deno.test("what is refused does not depend on the size of a matrix's numbers", () => {
  const n = 6, plain = positiveDefinite(n, 9);
  for (const power of [-40, -1, 1, 40]) {
    // A factor that is a power of 4 is exact, and so is its root.
    const scale = 4 ** power, scaled = upperFactorInPlace(plain.map((value) => value * scale), n);
    const expected = upperFactorInPlace(plain.slice(), n);
    assertEquals(scaled, expected.map((value) => value * 2 ** power));
    const deficient = new Float64Array(n * n).fill(scale);
    assertThrows(() => upperFactorInPlace(deficient, n), SchemeError, "not positive definite");
  }
});
