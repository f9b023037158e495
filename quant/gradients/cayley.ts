/**
 * Gradient descent over orthogonal matrices by the Cayley transform (Li, Fuxin and Todorovic, ICLR 2020, algorithm 1), as SpinQuant
 * (Liu et al., ICLR 2025, section 3.2, eq. 3 and 4) uses it: the gradient is projected to the tangent of the Stiefel manifold, a skew matrix
 * `A`, and `R <- (I - a/2 A)^-1 (I + a/2 A) R` by five steps of a fixed-point iteration. All of it in float64.
 */
import type { PythonRandom } from "../../base/random.ts";
import { orthogonalFactor } from "../linear_algebra/qr.ts";

/** How {@linkcode CayleySgd} steps. */
export interface CayleyOptions {
  /** Draws one step in 101 of each matrix at which it is made orthogonal anew, as the original code does; never when absent. */
  readonly random?: PythonRandom;
}

/** Square matrices, row-major, that a loss is descended over. */
export class CayleySgd {
  readonly #options: CayleyOptions;

  /** Takes steps in place on `matrices`. */
  constructor(private readonly matrices: readonly Float64Array[], options: CayleyOptions = {}) {
    this.#options = options;
  }

  /** One step against the gradients, one for each matrix. */
  step(gradients: readonly Float64Array[], learningRate: number): void {
    const { random } = this.#options;
    for (const [k, matrix] of this.matrices.entries()) {
      const n = Math.sqrt(matrix.length);
      normalizeRows(matrix, n);
      // The code keeps R transposed, [n, n] with its columns as vectors: its QR is that of the transpose.
      if (random?.randint(1, 101) === 1) matrix.set(transpose(orthogonalFactor(transpose(matrix, n), n), n));
      const direction = transpose(gradients[k], n).map((value) => -value);
      const { skew, norm } = skewDirection(matrix, direction, n);
      matrix.set(cayley(matrix, skew, direction, Math.min(1 / (norm + 1e-8), learningRate), n));
    }
  }
}

/** `A = W - W^T` with `W = V R - R^T (R V R) / 2`, and its largest column sum. */
function skewDirection(
  matrix: Float64Array,
  direction: Float64Array,
  n: number,
): { skew: Float64Array; norm: number } {
  const along = multiply(direction, matrix, n);
  const inner = multiply(transpose(matrix, n), multiply(matrix, along, n), n);
  const half = along.map((value, i) => value - inner[i] / 2);
  const skew = transpose(half, n).map((value, i) => half[i] - value);
  return { skew, norm: largestColumnSum(skew, n) };
}

/** The norm of a matrix that is induced by that of the sum of magnitudes. */
export function largestColumnSum(matrix: Float64Array, n: number): number {
  const sums = new Float64Array(n);
  for (let i = 0; i < matrix.length; i++) sums[i % n] += Math.abs(matrix[i]);
  return sums.reduce((a, b) => Math.max(a, b), 0);
}

/** `Y^T` after five times `Y <- X + a A (X + Y) / 2`, from `X = R^T` and `Y = X + a V`. */
export function cayley(
  matrix: Float64Array,
  skew: Float64Array,
  direction: Float64Array,
  step: number,
  n: number,
): Float64Array {
  const start = transpose(matrix, n);
  let next = start.map((value, i) => value + step * direction[i]);
  for (let k = 0; k < 5; k++) {
    const moved = multiply(skew, start.map((value, i) => (value + next[i]) / 2), n);
    next = start.map((value, i) => value + step * moved[i]);
  }
  return transpose(next, n);
}

function normalizeRows(matrix: Float64Array, n: number): void {
  for (let row = 0; row < matrix.length; row += n) {
    let squares = 0;
    for (let j = 0; j < n; j++) squares += matrix[row + j] ** 2;
    const length = Math.sqrt(squares) + 1e-8;
    for (let j = 0; j < n; j++) matrix[row + j] /= length;
  }
}

function transpose(a: Float64Array, n: number): Float64Array {
  return Float64Array.from(a, (_, k) => a[k % n * n + Math.floor(k / n)]);
}

function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const c = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const value = a[i * n + k];
      for (let j = 0; j < n; j++) c[i * n + j] += value * b[k * n + j];
    }
  }
  return c;
}
