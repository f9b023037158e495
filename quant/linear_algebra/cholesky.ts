/**
 * The triangular factor that error compensation runs on, in float64.
 *
 * GPTQ's algorithm 1 is written with the upper triangular U of H^-1 = U^T U. Its inverse R = U^-1 is the upper triangular
 * factor of H = R R^T itself: the lower Cholesky factor of H with rows and columns in reverse order, reversed again. So
 * one factorization takes the place of factor, invert, factor; where {@linkcode compensationSteps} needs U, it inverts a
 * diagonal block of R. The factorization goes through the matrix in blocks: nearly all arithmetic is in products.
 */
import {
  type Block,
  float64,
  type Float64Memory,
  replaceByProduct,
  subtractProduct,
} from "../../kernels/cpu/float64.ts";
import { SchemeError } from "../error.ts";

/** Rows of a block; what is inside one is done element by element. */
const size = 64;
/** Columns from which all earlier ones are subtracted at once: whole depths of the product, so that no sum changes. */
const wide = 256;

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

/** Factors the diagonal block of rows `[first, first + count)`, from which earlier columns are subtracted already. */
function factorBlock(
  matrix: Float64Array,
  n: number,
  first: number,
  count: number,
  diagonal: Float64Array,
): void {
  for (let i = first; i < first + count; i++) {
    const row = i * n + first;
    for (let j = first; j < i; j++) {
      const sum = matrix[i * n + j] - dot(matrix, row, matrix, j * n + first, j - first);
      matrix[i * n + j] = sum / matrix[j * n + j];
    }
    const pivot = matrix[i * n + i] - dot(matrix, row, matrix, row, i - first);
    // What is left of the diagonal is below the rounding errors of the sum that it is the rest of: n products.
    if (!(pivot > n * Number.EPSILON * diagonal[i] && pivot < Infinity)) {
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

/** The inverse of the lower triangular diagonal block of rows `[first, first + count)`, `[count, count]`. */
function invertBlock(lower: Float64Array, n: number, first: number, count: number): Float64Array {
  const inverse = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    const from = (first + i) * n + first;
    const diagonal = 1 / lower[from + i];
    for (let k = 0; k < i; k++) {
      const factor = lower[from + k] * diagonal;
      for (let j = 0; j <= k; j++) inverse[i * count + j] -= factor * inverse[k * count + j];
    }
    inverse[i * count + i] = diagonal;
  }
  return inverse;
}

/** Lower Cholesky factor of a symmetric positive definite matrix, in place; what is above the diagonal is lost. */
export function choleskyInPlace(matrix: Float64Array, n: number): void {
  const at = (row: number, column: number): Block => ({ data: matrix, start: row * n + column, stride: n });
  const diagonal = Float64Array.from({ length: n }, (_, i) => matrix[i * n + i]);
  const subtract = (first: number, count: number, from: number, depth: number) => {
    const left = at(first, from);
    subtractProduct(at(first, first), left, transpose(left), n - first, count, depth, "lower");
  };
  for (let first = 0; first < n; first += size) {
    const count = Math.min(size, n - first), end = first + count, start = first - first % wide;
    if (first === start) subtract(first, Math.min(wide, n - first), 0, first);
    else subtract(first, count, start, first - start);
    factorBlock(matrix, n, first, count, diagonal);
    const inverse = invertBlock(matrix, n, first, count).map((value) => -value);
    replaceByProduct(
      at(end, first),
      { data: inverse, start: 0, stride: count, transposed: true },
      n - end,
      count,
    );
  }
}

function transpose(block: Block): Block {
  return { ...block, transposed: !block.transposed };
}

/** The upper triangular `R` `[n, n]` with `H = R R^T`, of a symmetric positive definite `H`, in place: `H` is lost. */
export function upperFactorInPlace(hessian: Float64Array, n: number): Float64Array {
  hessian.reverse();
  choleskyInPlace(hessian, n);
  for (let i = 0; i < n; i++) hessian.fill(0, i * n + i + 1, (i + 1) * n);
  return hessian.reverse();
}

/** The inverse `[count, count]` of the diagonal block of rows `[first, first + count)` of an upper triangular matrix. */
export function inverseOfDiagonalBlock(
  upper: Float64Array,
  n: number,
  first: number,
  count: number,
): Float64Array {
  const block = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    const from = (first + i) * n + first;
    block.set(upper.subarray(from, from + count), i * count);
  }
  return invertBlock(block.reverse(), count, 0, count).reverse();
}

/** The inverse `[n, n]` of an upper triangular matrix, in the memory of the kernels. */
export function inverseOfUpper(upper: Float64Array, n: number): Float64Memory {
  const inverse = float64(n * n), { data } = inverse;
  for (let first = 0; first < n; first += size) {
    const count = Math.min(size, n - first), own = inverseOfDiagonalBlock(upper, n, first, count);
    for (let i = 0; i < count; i++) {
      data.set(own.subarray(i * count, (i + 1) * count), (first + i) * n + first);
    }
    if (first === 0) continue;
    // Above the diagonal block: -(inverse so far) (the columns of the matrix) (the block's inverse).
    using above = float64(first * count);
    const product = { data: above.data, start: 0, stride: count };
    const done = { data, start: 0, stride: n }, columns = { data: upper, start: first, stride: n };
    subtractProduct(product, done, columns, first, count, first);
    replaceByProduct(product, { data: own.map((value) => -value), start: 0, stride: count }, first, count);
    for (let i = 0; i < first; i++) {
      data.set(above.data.subarray(i * count, (i + 1) * count), i * n + first);
    }
  }
  return inverse;
}
