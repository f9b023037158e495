/** A quantized weight with a branch of two thin matrices beside it, which hold what the codes cannot (SVDQuant). */
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { SchemeError } from "../error.ts";
import { type Precision, valuesOf } from "../grids/precision.ts";

/** The branch of some linear layers that read one input: `L = b a`. */
export interface LowRankFactors {
  /** Inner dimension; 0 of no branch. */
  readonly rank: number;
  /** `[rank, in]`, what the input is multiplied with first. */
  readonly a: Float16Array | Float32Array;
  /** `[out, rank]` */
  readonly b: Float16Array | Float32Array;
}

/** Of what belongs to an input: nothing, the factors that it is divided by, or `a` too. */
export type SharedParts = "nothing" | "factors" | "all";

/** Parts of a {@linkcode LowRankWeight}. */
export interface LowRankParts {
  /** What the branch leaves, rounded. */
  readonly residual: StoredWeight;
  /** The branch of this weight's rows. */
  readonly branch: LowRankFactors;
  /** `[in]`: inputs are divided by these before anything else; null where they are not. */
  readonly factors: Float32Array | null;
  /** What is counted with another weight that reads the same input. */
  readonly shared: SharedParts;
  /** What the branch is stored in. */
  readonly precision: Precision;
}

/** `w_ij = (residual_ij + sum_k b_ik a_kj) / factor_j`. */
export class LowRankWeight implements StoredWeight {
  readonly shape: readonly [number, number];
  /** What the branch leaves, rounded. */
  readonly residual: StoredWeight;
  /** Inner dimension of the branch. */
  readonly rank: number;
  /** `[rank, in]` */
  readonly a: Float16Array | Float32Array;
  /** `[out, rank]` */
  readonly b: Float16Array | Float32Array;
  /** `[in]`, or null of ones. */
  readonly factors: Float32Array | null;
  /** What is counted elsewhere. */
  readonly shared: SharedParts;
  /** What the branch is stored in. */
  readonly precision: Precision;

  /**
   * Takes the parts as they are, without a copy.
   *
   * @throws {SchemeError} `shape` where parts do not fit each other
   */
  constructor({ residual, branch: { rank, a, b }, factors, shared, precision }: LowRankParts) {
    const [rows, columns] = residual.shape;
    const lengths = { a: [a.length, rank * columns], b: [b.length, rows * rank] } as const;
    for (const [name, [length, expected]] of Object.entries(lengths)) {
      if (length === expected) continue;
      throw new SchemeError("shape", `${name} has ${length} values: expected ${expected} of rank ${rank}`);
    }
    if (factors !== null && factors.length !== columns) {
      throw new SchemeError("shape", `factors has ${factors.length} values: expected ${columns}`);
    }
    this.shape = [rows, columns];
    this.residual = residual;
    this.rank = rank;
    this.a = a;
    this.b = b;
    this.factors = factors;
    this.shared = shared;
    this.precision = precision;
  }

  /** Bytes of the branch and of the factors, as they are counted here. */
  get branchBytes(): number {
    const factors = this.shared === "nothing" ? this.factors?.byteLength ?? 0 : 0;
    return this.b.byteLength + (this.shared === "all" ? 0 : this.a.byteLength) + factors;
  }

  get byteLength(): number {
    return this.residual.byteLength + this.branchBytes;
  }

  dequantize(): Float32Array {
    const [, columns] = this.shape, { factors } = this, low = lowRankProduct(this, columns);
    const residual = this.residual.dequantize();
    return residual.map((value, i) => (value + low[i]) / (factors?.[i % columns] ?? 1));
  }
}

/** `b a` `[out, in]`, each value rounded to float32 once. */
export function lowRankProduct({ rank, a, b }: LowRankFactors, columns: number): Float32Array {
  const rows = rank === 0 ? 0 : b.length / rank, sum = new Float64Array(columns);
  const product = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    sum.fill(0);
    for (let k = 0; k < rank; k++) {
      const share = b[row * rank + k];
      for (let j = 0, at = k * columns; j < columns; j++, at++) sum[j] += share * a[at];
    }
    product.set(sum, row * columns);
  }
  return product;
}

/** A branch in the precision that it is stored in. */
export function storedFactors(
  rank: number,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  precision: Precision,
): LowRankFactors {
  const [thin, tall] = [valuesOf(precision, a.length), valuesOf(precision, b.length)];
  thin.set(a);
  tall.set(b);
  return { rank, a: thin, b: tall };
}
