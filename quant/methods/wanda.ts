/**
 * Wanda (Sun et al., ICLR 2024): weights go by magnitude times the norm of their input, compared within each row (section 3, eq. 1):
 *
 *     S_ij = |W_ij| * ||X_j||_2
 *
 * Nothing is updated. Layers are pruned one after the other, each sees what the pruned layers before it give.
 */
import { dropped, dropSmallest, masked } from "../compensation/mask.ts";
import { patternOf, patternOption } from "../grids/pattern.ts";
import { SchemeError } from "../error.ts";
import type { InputStatistics, Matrix, MethodWith, WeightMethod } from "../method.ts";
import { flag, number, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { SparseWeight } from "../weights/sparse_values.ts";

/** Wanda as data. */
export interface Wanda extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "wanda";
  /** Share of each row's weights that become zero, of an unstructured pattern: `floor(columns * sparsity)`. */
  readonly sparsity: number;
  /** `"unstructured"`, or `"N:M"`: N of M consecutive weights of a row stay. */
  readonly pattern: string;
  /**
   * The authors' variant: what goes from each row is what makes up the same share of the row's scores; the share is searched so that the
   * matrix has the sparsity. Of no use beside an N:M pattern.
   */
  readonly shares: boolean;
}

/** What {@linkcode wanda} accepts. */
export const wandaOptions: OptionTable<Wanda> = {
  sparsity: number(0, 1, 0.5),
  pattern: patternOption,
  shares: flag(false),
};

/**
 * Removes the weights that matter least by magnitude and input norm.
 *
 * @example
 * ```ts
 * import { wanda } from "quantbook";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(wanda({ pattern: "2:4" }), { method: "wanda", sparsity: 0.5, pattern: "2:4", shares: false });
 * assertThrows(() => wanda({ pattern: "5:4" }), Error, "pattern is \"5:4\"");
 * ```
 */
export function wanda(options: Partial<Omit<Wanda, keyof SuiteScheme>> = {}): Wanda {
  const scheme = readOptions<Wanda>("wanda", wandaOptions, options);
  if (!scheme.shares || scheme.pattern === "unstructured") return scheme;
  throw new SchemeError("option", `shares is true: expected false beside pattern "${scheme.pattern}"`);
}

/** Which weights go, 1 each, of a weight whose inputs have the sums of squares `energies`. */
export function wandaMask(
  { rows, columns, data }: Matrix,
  energies: Float64Array,
  { sparsity, pattern, shares }: Wanda,
): Uint8Array {
  const norms = energies.map(Math.sqrt), mask = new Uint8Array(data.length), groups = patternOf(pattern);
  const scores = Float32Array.from(data, (value, i) => Math.abs(value) * norms[i % columns]);
  if (shares) return maskOfShares(scores, columns, sparsity);
  for (let row = 0; row < rows; row++) {
    const size = groups?.group ?? columns;
    for (let first = row * columns; first < (row + 1) * columns; first += size) {
      const part = scores.subarray(first, Math.min(first + size, (row + 1) * columns));
      const drop = groups === null ? Math.floor(columns * sparsity) : dropped(groups, part.length);
      dropSmallest(part, drop, mask, (i) => first + i);
    }
  }
  return mask;
}

/**
 * From each row the scores that add up to at most `alpha` of the row's sum; `alpha` by bisection of [0, 0.8] from 0.4 on, until the share of
 * zeros is within 0.001 of `sparsity` or the interval shorter than 0.001, as in the authors' code.
 */
function maskOfShares(scores: Float32Array, columns: number, sparsity: number): Uint8Array {
  const rows = scores.length / columns;
  const sorted = Array.from(
    { length: rows },
    (_, row) => scores.subarray(row * columns, (row + 1) * columns).toSorted(),
  );
  const sums = sorted.map((row) => {
    let sum = 0;
    return Float64Array.from(row, (value) => sum += value);
  });
  const masks = (alpha: number) => {
    const mask = new Uint8Array(scores.length);
    for (let row = 0; row < rows; row++) {
      const limit = alpha * sums[row][columns - 1],
        count = sums[row].findLastIndex((sum) => sum <= limit) + 1;
      const threshold = count === 0 ? -Infinity : sorted[row][count - 1];
      for (let j = row * columns; j < (row + 1) * columns; j++) mask[j] = Number(scores[j] <= threshold);
    }
    return { mask, share: mask.reduce((sum, one) => sum + one, 0) / mask.length };
  };
  let alpha = 0.4, low = 0, high = 0.8, found = masks(alpha);
  while (Math.abs(found.share - sparsity) > 0.001 && high - low >= 0.001) {
    if (found.share > sparsity) [high, alpha] = [alpha, (alpha + low) / 2];
    else [low, alpha] = [alpha, (alpha + high) / 2];
    found = masks(alpha);
  }
  return found.mask;
}

/** The sum of squares of each input channel. */
export function inputEnergies({ gram }: InputStatistics, columns: number): Float64Array {
  return Float64Array.from({ length: columns }, (_, j) => gram[j * columns + j]);
}

const sparsity: WeightMethod<Wanda> = {
  needs: "gram",
  quantize(weight, scheme, place, input) {
    if (input === null) throw new SchemeError("calibration", `wanda: no input statistics for ${place.name}`);
    const values = masked(weight.data, wandaMask(weight, inputEnergies(input, weight.columns), scheme));
    return new SparseWeight([weight.rows, weight.columns], values, patternOf(scheme.pattern));
  },
};

/** Wanda, for the registry. */
export const wandaMethod: MethodWith<{ sparsity: WeightMethod<Wanda> }> = {
  name: "wanda",
  short: "sparsity",
  paper: {
    title: "A Simple and Effective Pruning Approach for Large Language Models",
    authors: "Sun et al. 2024",
    link: "https://arxiv.org/abs/2306.11695",
  },
  options: wandaOptions,
  parse: (options) => wanda(options),
  sparsity,
};
