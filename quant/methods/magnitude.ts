/**
 * Pruning by magnitude: the smallest weights of a matrix go, or of each group of an N:M pattern. The baseline of all papers on pruning
 * (Zhu and Gupta, 2017); as in the code of SparseGPT and of Wanda, which agree.
 */
import { dropped, dropSmallest, masked, thresholdOf } from "../compensation/mask.ts";
import { patternOf, patternOption } from "../grids/pattern.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import { number, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { SparseWeight } from "../weights/sparse_values.ts";

/** Magnitude pruning as data. */
export interface Magnitude extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "magnitude";
  /** Share of weights that become zero, of an unstructured pattern. */
  readonly sparsity: number;
  /** `"unstructured"`, or `"N:M"`: N of M consecutive weights of a row stay. */
  readonly pattern: string;
}

/** What {@linkcode magnitude} accepts. */
export const magnitudeOptions: OptionTable<Magnitude> = {
  sparsity: number(0, 1, 0.5),
  pattern: patternOption,
};

/**
 * Removes the smallest weights.
 *
 * @example
 * ```ts
 * import { loadModel, magnitude, quantize } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * using pruned = await quantize(model, { sparsity: magnitude({ pattern: "2:4" }) });
 * const weight = await pruned.linear(0, "q").values();
 * assertEquals(weight.subarray(0, 4).filter((value) => value !== 0).length, 2);
 * ```
 */
export function magnitude(options: Partial<Omit<Magnitude, keyof SuiteScheme>> = {}): Magnitude {
  return readOptions("magnitude", magnitudeOptions, options);
}

/** Which weights go, 1 each, of scores in the shape of the weight; of an unstructured pattern those up to the threshold of the whole matrix. */
export function maskOfMatrix({ rows, columns, data }: Matrix, { sparsity, pattern }: Magnitude): Uint8Array {
  const mask = new Uint8Array(data.length), groups = patternOf(pattern);
  const scores = data.map(Math.abs);
  if (groups === null) {
    const threshold = thresholdOf(scores, sparsity);
    return mask.map((_, i) => Number(scores[i] <= threshold));
  }
  for (let row = 0; row < rows; row++) {
    for (let first = row * columns; first < (row + 1) * columns; first += groups.group) {
      const part = scores.subarray(first, Math.min(first + groups.group, (row + 1) * columns));
      dropSmallest(part, dropped(groups, part.length), mask, (i) => first + i);
    }
  }
  return mask;
}

const sparsity: WeightMethod<Magnitude> = {
  needs: "nothing",
  quantize(weight, scheme) {
    const values = masked(weight.data, maskOfMatrix(weight, scheme));
    return new SparseWeight([weight.rows, weight.columns], values, patternOf(scheme.pattern));
  },
};

/** Magnitude pruning, for the registry. */
export const magnitudeMethod: MethodWith<{ sparsity: WeightMethod<Magnitude> }> = {
  name: "magnitude",
  short: "sparsity",
  paper: {
    title: "To prune, or not to prune: exploring the efficacy of pruning for model compression",
    authors: "Zhu and Gupta 2017",
    link: "https://arxiv.org/abs/1710.01878",
  },
  options: magnitudeOptions,
  parse: (options) => magnitude(options),
  sparsity,
};
