/** The second moments of a layer's inputs, and the problem that they pose to column by column quantization. */
import { float64 } from "../../kernels/cpu/float64.ts";
import { upperFactorInPlace } from "../linear_algebra/cholesky.ts";
import type { InputStatistics, Matrix } from "../method.ts";
import { SchemeError } from "../error.ts";

/**
 * A weight and its Hessian, ready for {@linkcode compensate}: columns permuted, dead ones zeroed, `H` damped. Its
 * matrices lie in the memory of the kernels until it is disposed of.
 */
export interface Problem extends Disposable {
  readonly rows: number;
  readonly columns: number;
  /** The weight transposed, `[columns, rows]`; compensation works in it, and leaves the errors there. */
  readonly work: Float64Array;
  /** `R`, upper triangular `[columns, columns]`, with `H + damping = R R^T`; the `U` of the paper is its inverse. */
  readonly factor: Float64Array;
  /** Column `j` of the problem is column `permutation[j]` of the weight. */
  readonly permutation: Int32Array;
}

/** `H = 2/N X^T X` over N calibration windows (the reference's normalization). */
export function hessianOf({ gram, windows, tokens }: InputStatistics): Float64Array {
  if (tokens === 0) {
    throw new SchemeError("calibration", "no calibration tokens: expected at least one window");
  }
  const hessian = gram.map((value) => 2 * value / windows);
  const bad = hessian.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new SchemeError("values", `the layer's inputs are not finite: Hessian[${bad}] is ${hessian[bad]}`);
  }
  return hessian;
}

/**
 * Sets a problem up. `order` true takes columns by decreasing diagonal of H, a permutation as it says (QUIK); `percdamp` times the mean
 * diagonal is added to it. Columns whose input was always 0 are set to 0 and get a unit diagonal, before the damping (GPTQ) or after it
 * (SpQR), where they do not count in the mean and come last.
 */
export function problemOf(
  weight: Matrix,
  hessian: Float64Array,
  order: boolean | Int32Array,
  percdamp: number,
  deadColumns: "beforeDamping" | "afterDamping" = "beforeDamping",
): Problem {
  const { rows, columns, data } = weight;
  const diagonal = new Float64Array(columns);
  for (let j = 0; j < columns; j++) diagonal[j] = hessian[j * columns + j];
  const dead = diagonal.map((value) => value === 0 ? 1 : 0);
  const permutation = typeof order === "boolean"
    ? Int32Array.from({ length: columns }, (_, j) => j)
    : Int32Array.from(order);
  const early = deadColumns === "beforeDamping";
  const size = (j: number) => dead[j] && early ? 1 : diagonal[j];
  if (order === true) permutation.sort((a, b) => size(b) - size(a) || a - b);
  let mean = 0;
  for (let j = 0; j < columns; j++) mean += size(j) / columns;
  using stack = new DisposableStack();
  const work = stack.use(float64(columns * rows)).data;
  const damped = stack.use(float64(columns * columns)).data;
  // Some rows at a time, whose columns the cache holds.
  for (let some = 0; some < rows; some += 32) {
    const end = Math.min(rows, some + 32);
    for (let j = 0; j < columns; j++) {
      const from = permutation[j];
      if (dead[from]) continue;
      for (let row = some; row < end; row++) work[j * rows + row] = data[row * columns + from];
    }
  }
  // The factor of a symmetric matrix needs half of it: here the upper half.
  for (let j = 0; j < columns; j++) {
    const from = permutation[j], row = hessian.subarray(from * columns, (from + 1) * columns);
    for (let k = j; k < columns; k++) damped[j * columns + k] = row[permutation[k]];
    damped[j * columns + j] = dead[from] && !early ? 1 : size(from) + percdamp * mean;
  }
  const factor = upperFactorInPlace(damped, columns), memory = stack.move();
  return { rows, columns, work, factor, permutation, [Symbol.dispose]: () => memory.dispose() };
}

/** The columns of a problem in the weight's own order. */
export function inOwnOrder({ rows, columns, work, permutation }: Problem): Float64Array {
  const own = new Float64Array(work.length);
  for (let j = 0; j < columns; j++) own.set(work.subarray(j * rows, (j + 1) * rows), permutation[j] * rows);
  return own;
}
