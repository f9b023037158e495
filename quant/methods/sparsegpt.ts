/**
 * SparseGPT (Frantar and Alistarh, ICML 2023): weights are removed one input column after the other, and what that changes in the layer's
 * output is made good in the columns that follow, as in GPTQ (algorithm 1). Which weights go is chosen for a block of columns at once, by the
 * error that removing one alone would cause (eq. 6, with the diagonal of the inverse Hessian's Cholesky factor, as in the code):
 *
 *     e_ij = w_ij^2 / [H^-1]_jj
 */
import { blockSize, compensationSteps, onDevice, type Steps } from "../compensation/steps.ts";
import { hessianOf, problemOf } from "../compensation/hessian.ts";
import { dropped, dropSmallest, thresholdOf } from "../compensation/mask.ts";
import { patternOf, patternOption } from "../grids/pattern.ts";
import { SchemeError } from "../error.ts";
import { decode, encode, fitRange } from "../grids/uniform.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import {
  flag,
  integer,
  number,
  optional,
  type OptionTable,
  readOptions,
  type SuiteScheme,
} from "../options.ts";
import { SparseWeight } from "../weights/sparse_values.ts";
import { UniformWeight } from "../weights/uniform.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import type { UniformRule } from "../../kernels/codes.ts";

/** SparseGPT as data. */
export interface SparseGpt extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "sparseGpt";
  /** Share of weights that become zero, of an unstructured pattern. */
  readonly sparsity: number;
  /** `"unstructured"`, or `"N:M"`: N of M consecutive weights of a row stay. */
  readonly pattern: string;
  /** Rounds what stays in the same pass (section 3.5): asymmetric integers of so many bits, one range per row of the dense weight. */
  readonly bits?: number;
  /** Columns whose zeros are chosen at once. */
  readonly blockSize: number;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
  /** Each block of a layer is calibrated on its pruned predecessors in the layer. */
  readonly trueSequential: boolean;
}

/** What {@linkcode sparseGpt} accepts. */
export const sparseGptOptions: OptionTable<SparseGpt> = {
  sparsity: number(0, 1, 0.5),
  pattern: patternOption,
  bits: optional(integer(2, 8)),
  blockSize: integer(1, 1 << 16, blockSize),
  percdamp: number(0, 1e6, 0.01),
  trueSequential: flag(false),
};

/**
 * Pruning with compensation, and rounding in the same pass on request.
 *
 * @example
 * ```ts
 * import { sparseGpt } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sparseGpt({ pattern: "2:4", bits: 4 }).blockSize, 128);
 * ```
 */
export function sparseGpt(options: Partial<Omit<SparseGpt, keyof SuiteScheme>> = {}): SparseGpt {
  return readOptions("sparseGpt", sparseGptOptions, options);
}

/** Prunes one weight `[out, in]` given `H` `[in, in]`. */
export function* sparseGptSteps(
  weight: Matrix,
  hessian: Float64Array,
  scheme: SparseGpt,
): Steps<StoredWeight> {
  const { rows, columns, data } = weight, { sparsity, pattern, bits } = scheme;
  const groups = patternOf(pattern), width = Math.min(columns, scheme.blockSize);
  using problem = problemOf(weight, hessian, false, scheme.percdamp);
  const { work, factor } = problem, mask = new Uint8Array(rows * columns);
  const rule: UniformRule = { bits: bits ?? 8, mode: "asymmetric", zeroInRange: true };
  const grids = bits === undefined
    ? null
    : Array.from({ length: rows }, (_, row) => fitRange(data, row * columns, columns, rule, 1));
  /** Chooses zeros among columns `[first, first + count)` as compensated by now; U_jj is one over the factor's diagonal. */
  const score = (row: number, j: number) => (work[j * rows + row] * factor[j * columns + j]) ** 2;
  const chooseShare = (first: number, count: number) => {
    const scores = Float64Array.from(
      { length: rows * count },
      (_, i) => score(i % rows, first + Math.floor(i / rows)),
    );
    const threshold = thresholdOf(scores, sparsity);
    scores.forEach((one, i) =>
      mask[(first + Math.floor(i / rows)) * rows + i % rows] = Number(one <= threshold)
    );
  };
  const chooseGroup = (first: number, count: number, { keep, group }: NonNullable<typeof groups>) => {
    for (let row = 0; row < rows; row++) {
      const scores = Array.from({ length: count }, (_, i) => score(row, first + i));
      dropSmallest(scores, dropped({ keep, group }, count), mask, (i) => (first + i) * rows + row);
    }
  };
  let begun = 0;
  const codes = new Uint8Array(grids === null ? 0 : rows * columns),
    values = new Float32Array(rows * columns);
  yield* compensationSteps(problem, (column, j) => {
    // Groups are counted from the beginning of a block.
    const within = (j - begun) % (groups?.group ?? 1), left = Math.min(columns, begun + width) - j;
    if (groups !== null && within === 0) chooseGroup(j, Math.min(groups.group, left), groups);
    for (let row = 0; row < rows; row++) {
      if (mask[j * rows + row]) column[row] = 0;
      if (grids === null) {
        values[row * columns + j] = column[row];
        continue;
      }
      const code = encode(column[row], grids[row]);
      codes[row * columns + j] = code;
      column[row] = decode(code, grids[row]);
    }
    if (j + 1 === begun + width) begun = j + 1;
  }, {
    block: width,
    onBlock: () => {
      if (groups === null) chooseShare(begun, Math.min(width, columns - begun));
    },
  });
  if (grids === null || bits === undefined) return new SparseWeight([rows, columns], values, groups);
  const scales = Float32Array.from(grids, ({ scale }) => scale);
  const zeros = Uint8Array.from(grids, ({ zero }) => zero);
  return new UniformWeight({ shape: [rows, columns], bits, groupSize: columns, codes, scales, zeros });
}

const sparsity: WeightMethod<SparseGpt> = {
  needs: "gram",
  sequential: (scheme) => scheme.trueSequential,
  async quantize(weight, scheme, place, input, device) {
    if (input === null) {
      throw new SchemeError("calibration", `sparseGpt: no input statistics for ${place.name}`);
    }
    return await onDevice(device, sparseGptSteps(weight, hessianOf(input), scheme));
  },
};

/** SparseGPT, for the registry. */
export const sparseGptMethod: MethodWith<{ sparsity: WeightMethod<SparseGpt> }> = {
  name: "sparseGpt",
  short: "sparsity",
  paper: {
    title: "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot",
    authors: "Frantar and Alistarh 2023",
    link: "https://arxiv.org/abs/2301.00774",
  },
  options: sparseGptOptions,
  parse: (options) => sparseGpt(options),
  sparsity,
};
