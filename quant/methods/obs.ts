/**
 * Pruning by the optimal brain surgeon (ExactOBS: Frantar and Alistarh, "Optimal Brain Compression", NeurIPS 2022, section 4): of each row goes the weight
 * with the least `w_j^2 / [H^-1]_jj`, the others make up for it, and so on.
 *
 * N:M: a weight may go while its group has removals left. Unstructured: every row is taken to its end; of the losses of all removals of the
 * matrix the smallest are taken, and a row loses as many weights as it has among them (algorithm 2).
 */
import { hessianOf } from "../compensation/hessian.ts";
import { RowSurgeon, type Surgery, surgeryOf } from "../compensation/surgeon.ts";
import { SchemeError } from "../error.ts";
import { type Pattern, patternOf, patternOption } from "../grids/pattern.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import { number, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { SparseWeight } from "../weights/sparse_values.ts";

/** The surgeon's pruning as data. */
export interface Obs extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "obs";
  /** Share of weights that become zero, of an unstructured pattern. */
  readonly sparsity: number;
  /** `"unstructured"`, or `"N:M"`: N of M consecutive weights of a row stay. */
  readonly pattern: string;
  /** Share of the mean diagonal that is added to the Hessian's. */
  readonly percdamp: number;
}

/** What {@linkcode obs} accepts. */
export const obsOptions: OptionTable<Obs> = {
  sparsity: number(0, 1, 0.5),
  pattern: patternOption,
  percdamp: number(0, 10, 0),
};

/**
 * Removes what costs least, one by one. It takes a time that grows with the cube of a row's length, for each row.
 *
 * @example
 * ```ts
 * import { obs } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(obs({ pattern: "2:4" }).percdamp, 0);
 * ```
 */
export function obs(options: Partial<Omit<Obs, keyof SuiteScheme>> = {}): Obs {
  return readOptions("obs", obsOptions, options);
}

/** Takes weights of a row away until `count` of them are zero; what each removal cost, those that were zero before 0. */
function removeFrom(
  surgery: Surgery,
  row: number,
  count: number,
  groups: Pattern,
): { values: Float64Array; losses: number[] } {
  const surgeon = new RowSurgeon(surgery, row), { weights, open } = surgeon, { columns } = surgery;
  const gone = new Uint16Array(columns), losses = new Array<number>(columns - open.length).fill(0);
  const bucket = (j: number) => groups === null ? 0 : Math.floor(j / groups.group);
  for (let j = 0; groups !== null && j < columns; j++) gone[bucket(j)] += Number(weights[j] === 0);
  while (losses.length < count) {
    let chosen = -1, least = Infinity;
    for (const j of surgeon.open) {
      if (groups !== null && gone[bucket(j)] >= groups.group - groups.keep) continue;
      const score = weights[j] ** 2 / surgeon.pivot(j);
      if (score < least) [chosen, least] = [j, score];
    }
    if (chosen < 0) break;
    gone[bucket(chosen)]++;
    losses.push(surgeon.fix(chosen, 0));
  }
  return { values: weights, losses };
}

/** Prunes one weight `[out, in]` given `H` `[in, in]`; the loss is half the Hessian-weighted squared error. */
export function obsWithHessian(
  weight: Matrix,
  hessian: Float64Array,
  scheme: Obs,
): { weight: SparseWeight; loss: number } {
  const { rows, columns } = weight,
    groups = patternOf(scheme.pattern),
    surgery = surgeryOf(weight, hessian, scheme.percdamp);
  if (groups !== null && columns % groups.group !== 0) {
    throw new SchemeError(
      "shape",
      `obs: pattern ${scheme.pattern} does not divide ${columns} input features`,
    );
  }
  const counts = new Array<number>(rows).fill(
    groups === null ? 0 : columns / groups.group * (groups.group - groups.keep),
  );
  const few = Math.ceil(rows * columns * scheme.sparsity);
  if (groups === null && few > 0) {
    const losses = new Float64Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      losses.set(removeFrom(surgery, row, columns, null).losses, row * columns);
    }
    const order = Array.from(losses.keys()).sort((a, b) => losses[a] - losses[b] || a - b);
    for (const at of order.slice(0, few)) counts[Math.floor(at / columns)]++;
  }
  const values = new Float32Array(rows * columns);
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const found = removeFrom(surgery, row, counts[row], groups);
    values.set(found.values, row * columns);
    loss += found.losses.reduce((sum, one) => sum + one, 0);
  }
  return { weight: new SparseWeight([rows, columns], values, groups), loss };
}

const sparsity: WeightMethod<Obs> = {
  needs: "gram",
  quantize(weight, scheme, place, input) {
    if (input === null) throw new SchemeError("calibration", `obs: no input statistics for ${place.name}`);
    return obsWithHessian(weight, hessianOf(input), scheme).weight;
  },
};

/** The surgeon's pruning, for the registry. */
export const obsMethod: MethodWith<{ sparsity: WeightMethod<Obs> }> = {
  name: "obs",
  short: "sparsity",
  paper: {
    title: "Optimal Brain Compression: A Framework for Accurate Post-Training Quantization and Pruning",
    authors: "Frantar and Alistarh 2022",
    link: "https://arxiv.org/abs/2208.11580",
  },
  options: obsOptions,
  parse: (options) => obs(options),
  sparsity,
};
