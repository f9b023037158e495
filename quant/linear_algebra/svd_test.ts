import { assert, assertAlmostEquals, assertEquals, assertLess, assertThrows } from "@std/assert";
import { Random } from "../../kernels/conformance/suite.ts";
import { eigenSymmetric } from "./symmetric.ts";
import { svd } from "./svd.ts";

function matrix(rows: number, columns: number, seed: number) {
  return { rows, columns, data: Float64Array.from(new Random(seed).normal(rows * columns)) };
}

function product(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const size = b.length / n, rows = a.length / n, c = new Float64Array(rows * size);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < n; k++) {
      for (let j = 0; j < size; j++) c[i * size + j] += a[i * n + k] * b[k * size + j];
    }
  }
  return c;
}

function transposed(a: Float64Array, columns: number): Float64Array {
  const rows = a.length / columns;
  return Float64Array.from(a, (_, i) => a[i % rows * columns + Math.floor(i / rows)]);
}

function assertOrthonormal(rows: Float64Array, n: number, length: number) {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += rows[i * length + k] * rows[j * length + k];
      // Rounding of a few turns of rows of this length.
      assertAlmostEquals(sum, i === j ? 1 : 0, 64 * length * 2 ** -53, `${i}, ${j}`);
    }
  }
}

Deno.test("eigenvectors are orthonormal, and give the matrix back", () => {
  for (const n of [1, 2, 3, 17, 64]) {
    const g = matrix(n, n, n).data, a = product(g, transposed(g, n), n);
    const { values, vectors } = eigenSymmetric(a, n);
    assertOrthonormal(vectors, n, n);
    assert(values.every((value, k) => k === 0 || value >= values[k - 1]));
    const scaled = vectors.map((value, i) => value * values[Math.floor(i / n)]);
    const again = product(transposed(vectors, n), scaled, n);
    for (const [i, value] of again.entries()) {
      assertAlmostEquals(value, a[i], 64 * n * 2 ** -53 * values[n - 1]);
    }
  }
});

Deno.test("eigenvalues that are known: the second difference, a diagonal, all ones", () => {
  // 2 - 2 cos(k pi / 4), the second difference of three points.
  const { values } = eigenSymmetric(Float64Array.of(2, -1, 0, -1, 2, -1, 0, -1, 2), 3);
  for (const [k, value] of [2 - Math.SQRT2, 2, 2 + Math.SQRT2].entries()) {
    assertAlmostEquals(values[k], value, 1e-14);
  }
  assertEquals(Array.from(eigenSymmetric(Float64Array.of(5, 0, 0, -3), 2).values), [-3, 5]);
  const ones = eigenSymmetric(new Float64Array(64).fill(1), 8).values;
  assertAlmostEquals(ones[7], 8, 1e-14);
  assertLess(Math.max(...ones.subarray(0, 7).map(Math.abs)), 1e-14);
  assertThrows(() => eigenSymmetric(Float64Array.of(NaN), 1), Error, "has NaN at 0");
});

Deno.test("the singular value decomposition gives tall, wide and square matrices back", () => {
  for (const [rows, columns] of [[1, 1], [1, 5], [7, 3], [3, 7], [48, 48], [20, 65]]) {
    const a = matrix(rows, columns, rows + columns), { values, left, right } = svd(a), n = values.length;
    assertEquals(n, Math.min(rows, columns));
    assertOrthonormal(left, n, rows);
    assertOrthonormal(right, n, columns);
    const scaled = right.map((value, i) => value * values[Math.floor(i / columns)]);
    const again = product(transposed(left, rows), scaled, n);
    for (const [i, value] of again.entries()) assertAlmostEquals(value, a.data[i], 1e-12);
  }
});

Deno.test("small singular values keep their digits: 1e-10 of the largest, which squares would drown", () => {
  // A diagonal between two rotations that are known exactly: Hadamard matrices of 4.
  const h = Float64Array.of(1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1).map((one) => one / 2);
  const sizes = [1, 1e-3, 1e-7, 1e-10];
  const data = product(h, h.map((value, i) => value * sizes[Math.floor(i / 4)]), 4);
  for (const [k, value] of svd({ rows: 4, columns: 4, data }).values.entries()) {
    // Entries of the matrix are rounded at 2^-53 of the largest.
    assertAlmostEquals(value, sizes[k], 8 * 2 ** -53, `${k}`);
  }
});

Deno.test("a planted rank is found; the rest is 0 to rounding, and a matrix of zeros has no direction", () => {
  const u = matrix(12, 2, 1),
    v = matrix(2, 9, 2),
    { values } = svd({
      rows: 12,
      columns: 9,
      data: product(u.data, v.data, 2),
    });
  assertLess(values[2], 1e-13 * values[0]);
  assert(values[1] > 0.01 * values[0]);
  const none = svd({ rows: 2, columns: 3, data: new Float32Array(6) });
  assertEquals([...none.values, ...none.left, ...none.right].every((value) => value === 0), true);
});

Deno.test("a matrix of other units has the same vectors and the values in these units, to the bit", () => {
  const one = matrix(9, 6, 4), plain = svd(one);
  // Columns of very different sizes: of some pairs the smaller one decides.
  const uneven = { ...one, data: one.data.map((value, i) => value * 2 ** (-8 * (i % 6))) },
    small = svd(uneven);
  for (const power of [-40, 40]) {
    const scaled = (given: typeof one) =>
      svd({ ...given, data: given.data.map((value) => value * 2 ** power) });
    assertEquals(scaled(one).values, plain.values.map((value) => value * 2 ** power));
    assertEquals(scaled(uneven).values, small.values.map((value) => value * 2 ** power));
  }
});
