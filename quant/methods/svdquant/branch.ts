/** The branch of SVDQuant: what it holds, and the iteration that finds it. */
import { svd } from "../../linear_algebra/svd.ts";
import type { Precision } from "../../grids/precision.ts";
import type { Matrix } from "../../method.ts";
import { type LowRankFactors, lowRankProduct, storedFactors } from "../../weights/low_rank.ts";

/** The best approximation of a rank, `b a` with orthonormal rows of `a` (Eckart and Young), as it is stored. */
export function truncated(matrix: Matrix, rank: number, precision: Precision): LowRankFactors {
  const { rows, columns } = matrix,
    { values, left, right } = svd(matrix),
    kept = Math.min(rank, values.length);
  const b = new Float64Array(rows * kept);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < kept; k++) b[row * kept + k] = left[k * rows + row] * values[k];
  }
  return storedFactors(kept, right.subarray(0, kept * columns), b, precision);
}

/** What {@linkcode searchBranch} does. */
export interface BranchSearch {
  readonly rank: number;
  /** Decompositions at most. */
  readonly iterations: number;
  /** Whether the first rise of the error ends the search. */
  readonly earlyStop: boolean;
  /** Whether the first branch is that of the weight's rounding error, not of the weight. */
  readonly compensate: boolean;
  readonly precision: Precision;
  /** The values of a rounded matrix. */
  round(matrix: Matrix): Float32Array;
  /** Squared error of the output with a rounded part and a branch. */
  error(rounded: Float32Array, branch: LowRankFactors): Promise<number>;
}

/** A branch and what it leaves for codes. */
export interface FoundBranch {
  readonly branch: LowRankFactors;
  /** What is to be rounded. */
  readonly rest: Matrix;
  /** Errors of all iterations. */
  readonly errors: readonly number[];
}

/**
 * `L_k` is the best approximation of `W - Q(R_{k-1})`, `R_k = W - L_k`, and `R_0` nothing (or `W`, to compensate); what is kept is the `k` with the least error,
 * the last one of equals.
 */
export async function searchBranch(weight: Matrix, search: BranchSearch): Promise<FoundBranch> {
  const { rank, precision, compensate } = search, { rows, columns, data } = weight;
  const minus = (other: Float32Array): Matrix => ({
    rows,
    columns,
    data: other.length === 0 ? data : data.map((value, i) => value - other[i]),
  });
  const errors: number[] = [];
  let best: { branch: LowRankFactors; rest: Matrix } | undefined, least = Infinity;
  let rounded = compensate ? search.round(weight) : new Float32Array();
  for (let k = 0; k < search.iterations; k++) {
    const branch = truncated(minus(rounded), rank, precision);
    const rest = minus(lowRankProduct(branch, columns));
    if (search.iterations === 1) return { branch, rest, errors };
    rounded = search.round(rest);
    const error = await search.error(rounded, branch);
    errors.push(error);
    if (best === undefined || error <= least) [best, least] = [{ branch, rest }, error];
    else if (search.earlyStop) break;
  }
  if (best === undefined) throw new Error("a branch was searched in no iteration");
  return { ...best, errors };
}
