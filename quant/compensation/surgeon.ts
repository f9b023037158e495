/**
 * The optimal brain surgeon of one row (Hassibi and Stork, 1993; Frantar and Alistarh, NeurIPS 2022, section 4): a weight is given a value, the others
 * make up for it, and the inverse Hessian forgets it:
 *
 *     w <- w - (w_j - q) [H^-1]_:j / [H^-1]_jj,    H^-1 <- H^-1 - [H^-1]_:j [H^-1]_j: / [H^-1]_jj
 */
import { inverseOfUpper, upperFactorInPlace } from "../linear_algebra/cholesky.ts";
import { SchemeError } from "../error.ts";
import type { Matrix } from "../method.ts";

/** A weight and the inverse of its Hessian, as every row begins. */
export interface Surgery {
  /** Columns. */
  readonly columns: number;
  /** `[rows, columns]`, zero where an input was never anything but 0. */
  readonly weight: Float32Array;
  /** `[columns, columns]` */
  readonly inverse: Float64Array;
}

/**
 * Sets it up: `damping` times the mean diagonal is added to it; inputs that were always 0 get a unit diagonal then, if theirs is still 0. A
 * Hessian that has no inverse gets 1 on its diagonal, as in the original code.
 */
export function surgeryOf({ rows, columns, data }: Matrix, hessian: Float64Array, damping: number): Surgery {
  const damped = hessian.slice(), weight = data.slice();
  let mean = 0;
  for (let j = 0; j < columns; j++) mean += hessian[j * columns + j] / columns;
  for (let j = 0; j < columns; j++) {
    damped[j * columns + j] += damping * mean;
    if (damped[j * columns + j] !== 0) continue;
    damped[j * columns + j] = 1;
    for (let row = 0; row < rows; row++) weight[row * columns + j] = 0;
  }
  return { columns, weight, inverse: inverted(damped, columns) };
}

function inverted(hessian: Float64Array, n: number): Float64Array {
  let factor: Float64Array;
  try {
    factor = upperFactorInPlace(hessian.slice(), n);
  } catch (error) {
    if (!(error instanceof SchemeError)) throw error;
    factor = upperFactorInPlace(hessian.map((value, i) => i % (n + 1) === 0 ? value + 1 : value), n);
  }
  using upper = inverseOfUpper(factor, n);
  const { data } = upper, inverse = new Float64Array(n * n);
  // H^-1 = U^T U.
  for (let k = 0; k < n; k++) {
    for (let i = k; i < n; i++) {
      const share = data[k * n + i];
      for (let j = k; j < n; j++) inverse[i * n + j] += share * data[k * n + j];
    }
  }
  return inverse;
}

/** One row under operation. */
export class RowSurgeon {
  /** The row as it is by now. */
  readonly weights: Float64Array;
  readonly #inverse: Float64Array;
  /** Columns that have no value yet, ascending. */
  #open: Int32Array;

  /** Weights that are 0 stay so: what others have to make up for is what they were before. */
  constructor({ columns, weight, inverse }: Surgery, row: number) {
    this.weights = Float64Array.from(weight.subarray(row * columns, (row + 1) * columns));
    this.#inverse = inverse.slice();
    this.#open = Int32Array.from({ length: columns }, (_, j) => j);
    for (const [j, value] of this.weights.entries()) if (value === 0) this.fix(j, 0);
  }

  /** Columns that have no value yet, ascending. */
  get open(): Int32Array {
    return this.#open;
  }

  /** `[H^-1]_jj` */
  pivot(j: number): number {
    return this.#inverse[j * this.weights.length + j];
  }

  /** Gives a column its value; returns half the loss that this costs. */
  fix(j: number, value: number): number {
    const { weights } = this, n = weights.length, inverse = this.#inverse, d = inverse[j * n + j];
    const at = this.#open.indexOf(j), share = (weights[j] - value) / d;
    this.#open.copyWithin(at, at + 1);
    this.#open = this.#open.subarray(0, this.#open.length - 1);
    const loss = (weights[j] - value) * share / 2, own = j * n;
    for (const i of this.#open) {
      const column = inverse[i * n + j], factor = column / d;
      weights[i] -= share * column;
      if (factor === 0) continue;
      for (const k of this.#open) inverse[i * n + k] -= factor * inverse[own + k];
    }
    weights[j] = value;
    return loss;
  }
}
