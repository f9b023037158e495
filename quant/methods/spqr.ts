/**
 * SpQR (Dettmers et al., ICLR 2024): nearly lossless weights at 3 to 4 bits. Three ideas on top of GPTQ's compensation:
 *
 * 1. groups of only 16 weights, affordable because their scales and zero points are quantized too (`bilevel.ts`);
 * 2. weights whose rounding would cost the layer's output too much, about 1%, stay as they are, in a sparse matrix;
 * 3. such outliers must not stretch the grid of their group: before it is fitted, each weight is left out on trial, and
 *    where that lowers the group's cost beyond the threshold, the grid is fitted without it (`spqr_outliers.ts`).
 */
import { BilevelVector } from "../weights/bilevel.ts";
import { decodeRealZero, encodeRealZero, fitRealZero } from "../grids/real_zero.ts";
import { compensationSteps, onDevice, onHost, type Steps } from "../compensation/steps.ts";
import { hessianOf, type Problem, problemOf } from "../compensation/hessian.ts";
import type { InputStatistics, Matrix, MethodWith, WeightMethod } from "../method.ts";
import type { Precision } from "../grids/precision.ts";
import { SchemeError } from "../error.ts";
import {
  flag,
  groupSizeOf,
  groupSizeOption,
  integer,
  number,
  oneOf,
  type OptionTable,
  or,
  readOptions,
  refused,
  type SuiteScheme,
} from "../options.ts";
import { SparseMatrix } from "../weights/sparse.ts";
import { rangeWithoutOutliers } from "./spqr/outliers.ts";
import { SpqrWeight } from "../weights/spqr.ts";

/** SpQR as data. */
export interface Spqr extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "spqr";
  /** Of the dense weights, 2 to 8. */
  readonly bits: number;
  /** Input features of a row that share a scale and zero point (the paper's beta1). */
  readonly groupSize: number;
  /** Of scales; 16 stores them as they are. */
  readonly scaleBits: number;
  /** Of zero points; 16 stores them as they are. */
  readonly zeroBits: number;
  /** Consecutive output features whose scales share second-level statistics (beta2). */
  readonly statisticsGroupSize: number;
  /** Cost beyond which a weight is kept, as a share of the mean cost of losing a weight; null keeps none. */
  readonly outlierThreshold: number | null;
  /** Whether outliers are found, and taken out, before a group's grid is fitted too ("simplified" when not). */
  readonly leaveOneOut: boolean;
  /** Columns by decreasing diagonal of the Hessian. */
  readonly actOrder: boolean;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
  /** Stored form of second-level statistics and outliers; the reference code computes with float32 and counts 16 bits. */
  readonly precision: Precision;
}

/** Options of {@linkcode spqr}; an infinite `outlierThreshold` counts as null. */
export type SpqrOptions = Partial<Omit<Spqr, keyof SuiteScheme>> & { readonly bits: number };

/** What {@linkcode spqr} accepts. */
export const spqrOptions: OptionTable<Spqr> = {
  bits: integer(2, 8),
  groupSize: groupSizeOption(16),
  scaleBits: or(16, integer(2, 8), 3),
  zeroBits: or(16, integer(2, 8), 3),
  statisticsGroupSize: integer(1, 1 << 20, 16),
  outlierThreshold: or(null, number(0, Infinity), 0.25),
  leaveOneOut: flag(true),
  actOrder: flag(true),
  percdamp: number(0, 10, 0.01),
  precision: oneOf(["float16", "float32"], "float16"),
};

/**
 * SpQR; the defaults with 3 bits are the published configuration of 3.99 bits.
 *
 * @example
 * ```ts
 * import { spqr } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(spqr({ bits: 3 }).outlierThreshold, 0.25);
 * assertEquals(spqr({ bits: 3, outlierThreshold: Infinity }).outlierThreshold, null);
 * ```
 */
export function spqr(options: SpqrOptions): Spqr {
  const scheme = readOptions("spqr", spqrOptions, options);
  return scheme.outlierThreshold === Infinity ? { ...scheme, outlierThreshold: null } : scheme;
}

/** The paper's bits per weight (section 4.3) for a share of outliers; what is stored beside is `byteLength`'s to say. */
export function spqrBits(scheme: Spqr, outlierShare: number): number {
  const { bits, groupSize, scaleBits, zeroBits, statisticsGroupSize } = scheme;
  if (groupSize === -1) {
    throw refused("groupSize", groupSize, "a number of columns: whole rows differ between layers");
  }
  const secondLevel = 64 / (groupSize * statisticsGroupSize);
  return bits + (scaleBits + zeroBits) / groupSize + secondLevel + 32 * outlierShare;
}

/** Result of quantizing one weight. */
export interface SpqrResult {
  readonly weight: SpqrWeight;
  /** Cost beyond which a weight is an outlier. */
  readonly threshold: number;
  /** Half the Hessian-weighted squared error that was not compensated. */
  readonly loss: number;
}

/** Quantizes one weight `[out, in]` given `H` `[in, in]`, on the host. */
export function spqrWithHessian(weight: Matrix, hessian: Float64Array, scheme: Spqr): SpqrResult {
  return onHost(spqrSteps(weight, hessian, scheme));
}

function* spqrSteps(weight: Matrix, hessian: Float64Array, scheme: Spqr): Steps<SpqrResult> {
  const { rows, columns } = weight;
  const { bits, precision, statisticsGroupSize } = scheme;
  const groupSize = groupSizeOf(scheme, columns);
  if (columns % groupSize !== 0) {
    throw new SchemeError("shape", `groupSize ${groupSize} does not divide ${columns} input features`);
  }
  if (rows % statisticsGroupSize !== 0) {
    throw new SchemeError(
      "shape",
      `statisticsGroupSize ${statisticsGroupSize} does not divide ${rows} output features`,
    );
  }
  using problem = problemOf(weight, hessian, scheme.actOrder, scheme.percdamp, "afterDamping");
  const { work, factor, permutation } = problem;
  const pivots = Float64Array.from({ length: columns }, (_, j) => 1 / factor[j * columns + j]);
  const threshold = (scheme.outlierThreshold ?? Infinity) * meanCost(problem, pivots);
  const trial = { bits, precision, threshold: scheme.leaveOneOut ? threshold : Infinity };
  const level = (numbers: Float32Array, bits: number) =>
    new BilevelVector(numbers, { bits, groupSize: statisticsGroupSize, precision });
  // First-level statistics `[groups, rows]` as fitted, and those of the current group as they are stored.
  const scales = new Float32Array(rows * columns / groupSize), zeros = scales.slice();
  let scale: Float32Array = scales, zero: Float32Array = zeros;
  const fitGroup = (first: number) => {
    const members = new Float64Array(groupSize), start = first / groupSize * rows;
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < groupSize; j++) members[j] = work[(first + j) * rows + row];
      const [least, most] = rangeWithoutOutliers(members, pivots.subarray(first, first + groupSize), trial);
      const fitted = fitRealZero(least, most, bits, precision);
      [scales[start + row], zeros[start + row]] = [fitted.scale, fitted.zero];
    }
    scale = level(scales.subarray(start, start + rows), scheme.scaleBits).values();
    zero = level(zeros.subarray(start, start + rows), scheme.zeroBits).values();
  };
  const codes = new Uint8Array(rows * columns), mask = new Uint8Array(rows * columns);
  const kept = new Float32Array(rows * columns);
  const round = precision === "float16" ? Math.f16round : Math.fround;
  const loss = yield* compensationSteps(problem, (values, j) => {
    if (j % groupSize === 0) fitGroup(j);
    for (let row = 0; row < rows; row++) {
      const quantizer = { scale: scale[row], zero: zero[row] }, i = row * columns + j;
      const code = encodeRealZero(values[row], quantizer, bits);
      const rounded = decodeRealZero(code, quantizer);
      const isOutlier = ((values[row] - rounded) / pivots[j]) ** 2 > threshold;
      // The dense part has a code at outliers too: that of 0, as the reference code stores it.
      codes[i] = isOutlier ? encodeRealZero(0, quantizer, bits) : code;
      values[row] = isOutlier ? round(values[row]) : rounded;
      if (isOutlier) [mask[i], kept[i]] = [1, values[row]];
    }
  });
  return {
    threshold,
    loss,
    weight: new SpqrWeight({
      shape: [rows, columns],
      bits,
      groupSize,
      codes,
      scales: level(scales, scheme.scaleBits),
      zeros: level(zeros, scheme.zeroBits),
      outliers: new SparseMatrix(rows, columns, mask, kept, precision),
      permutation: scheme.actOrder ? permutation : null,
    }),
  };
}

/** What losing a weight costs, on average over columns: their variance over rows over the squared pivot. */
function meanCost({ rows, columns, work }: Problem, pivots: Float64Array): number {
  if (rows === 1) return Infinity; // One row has no variance, so that nothing is an outlier in it.
  let total = 0;
  for (let j = 0; j < columns; j++) {
    const column = work.subarray(j * rows, (j + 1) * rows);
    const mean = column.reduce((sum, w) => sum + w, 0) / rows;
    const variance = column.reduce((sum, w) => sum + (w - mean) ** 2, 0) / (rows - 1);
    total += variance / pivots[j] ** 2;
  }
  return total / columns;
}

const weights: WeightMethod<Spqr> = {
  needs: "gram",
  async quantize(weight, scheme, place, input: InputStatistics | null, device) {
    if (input === null) throw new SchemeError("calibration", `spqr: no input statistics for ${place.name}`);
    return (await onDevice(device, spqrSteps(weight, hessianOf(input), scheme))).weight;
  },
};

/** SpQR, for the registry. */
export const spqrMethod: MethodWith<{ weights: WeightMethod<Spqr> }> = {
  name: "spqr",
  paper: {
    title: "SpQR: A Sparse-Quantized Representation for Near-Lossless LLM Weight Compression",
    authors: "Dettmers et al. 2024",
    link: "https://arxiv.org/abs/2306.03078",
  },
  options: spqrOptions,
  parse: (options) => spqr(options as unknown as SpqrOptions),
  weights,
};
