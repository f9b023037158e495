/**
 * What GPTAQ adds to GPTQ (Li et al., ICML 2025): a layer behind quantized layers reads other inputs than the float model's, and its weights
 * are to give the float model's outputs on them. With the columns U of the inverse Hessian's Cholesky factor,
 *
 *     P = alpha triu(D U^T, above the diagonal) U,    D = 2/N sum (X_float - X)^T X
 *
 * and each column `w` adds `w P` to the columns behind it.
 */
import { float64, type Float64Memory, subtractProduct } from "../../kernels/cpu/float64.ts";
import { inverseOfUpper } from "../linear_algebra/cholesky.ts";
import type { Problem } from "./hessian.ts";

/** How far inputs are from the float model's, and how much of that counts. */
export interface Drift {
  /** `D` `[in, in]`: rows belong to the differences, columns to the inputs. */
  readonly matrix: Float64Array;
  /** Share of it that is made good. */
  readonly alpha: number;
}

/** `-P` of a problem, in its order of columns. Columns of `D` whose input is always 0 count as 0, rows do not. */
export function driftTerm(
  { columns: n, factor, permutation }: Problem,
  hessian: Float64Array,
  { matrix, alpha }: Drift,
): Float64Memory {
  using stack = new DisposableStack();
  const d = stack.use(float64(n * n)).data, inner = stack.use(float64(n * n)).data;
  for (let j = 0; j < n; j++) {
    const row = permutation[j] * n;
    for (let k = 0; k < n; k++) {
      const column = permutation[k];
      d[j * n + k] = hessian[column * n + column] === 0 ? 0 : matrix[row + column];
    }
  }
  const whole = (data: Float64Array) => ({ data, start: 0, stride: n });
  const inverse = whole(stack.use(inverseOfUpper(factor, n)).data);
  // inner = -D U^T, then alpha triu(D U^T), then -P.
  subtractProduct(whole(inner), whole(d), { ...inverse, transposed: true }, n, n, n);
  for (let j = 0; j < n; j++) {
    inner.fill(0, j * n, j * n + j + 1);
    for (let k = j + 1; k < n; k++) inner[j * n + k] *= -alpha;
  }
  const term = float64(n * n);
  subtractProduct(whole(term.data), whole(inner), inverse, n, n, n);
  return term;
}
