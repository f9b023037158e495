/**
 * HQQ: half-quadratic quantization. Without any data, the zero points of a uniform grid are moved so that the weight's error is small in a
 * norm below 1, which forgives outliers.
 *
 * Source: Badri, Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", Mobius Labs 2023, and its code. With
 * `q = clamp(round(W s + z))` and `W_r = (q - z) / s`, the error is split off by a proximal step, and the zero point solves the rest:
 *
 *     E <- shrink(W - W_r),  shrink(x) = sign(x) max(|x| - |x|^(p-1) / beta, 0)
 *     z <- mean over the group of (q - (W - E) s)
 *
 * Scales stay as min and max give them. Only weights are looked at: where inputs have outlier channels with small weights, a real zero point
 * leaves no code for 0, and HQQ can be far worse than rounding to nearest (3 bits on the outlier fixture: perplexity 140 against 27).
 */
import { pow } from "../../base/elementary.ts";
import { roundHalfEven } from "../../kernels/round.ts";
import { SchemeError } from "../error.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import {
  flag,
  groupSizeOf,
  groupSizeOption,
  integer,
  number,
  oneOf,
  type OptionTable,
  readOptions,
  type SuiteScheme,
} from "../options.ts";
import { RealZeroWeight } from "../weights/real_zero.ts";
import { columnMean, runMean } from "./hqq/mean.ts";

/** HQQ as data. */
export interface Hqq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "hqq";
  /** Bits per code, 1 to 8. */
  readonly bits: number;
  /** Weights that share a scale and a zero point; absent means whole rows. */
  readonly groupSize?: number;
  /** 1: groups are runs of a row. 0: the weights of a group are spread over the matrix, as many apart as there are groups. */
  readonly axis: 0 | 1;
  /** Whether the solver starts from a rounded zero point. */
  readonly roundZero: boolean;
  /**
   * `"legacy"` keeps the last zero point and the first `beta`, the original's default; `"v2"` lets `beta` grow and, if it stops early, returns
   * the best zero point; `"none"` leaves the grid as min and max give it.
   */
  readonly solver: "legacy" | "v2" | "none";
  /** `p` of the norm, at most 1. */
  readonly norm: number;
  /** Weight of the quadratic term. */
  readonly beta: number;
  /** Growth of `beta` per iteration; only `"v2"` lets it grow. */
  readonly kappa: number;
  /** Most iterations. */
  readonly iterations: number;
  /** Whether the solver stops as soon as the mean absolute error does not fall. */
  readonly earlyStop: boolean;
  /** How scales and zero points are stored. */
  readonly precision: "float16" | "float32";
}

/** Options of {@linkcode hqq}. */
export type HqqOptions = Pick<Hqq, "bits"> & Partial<Omit<Hqq, "method" | "bits">>;

/** What {@linkcode hqq} accepts. */
export const hqqOptions: OptionTable<Hqq> = {
  bits: integer(1, 8),
  groupSize: groupSizeOption(),
  axis: oneOf([0, 1], 1),
  roundZero: flag(false),
  solver: oneOf(["legacy", "v2", "none"], "legacy"),
  norm: number(0.05, 1, 0.7),
  beta: number(1e-6, 1e6, 10),
  kappa: number(1, 2, 1.01),
  iterations: integer(1, 1000, 20),
  earlyStop: flag(true),
  precision: oneOf(["float16", "float32"], "float32"),
};

/**
 * Half-quadratic quantization of weights.
 *
 * @example
 * ```ts
 * import { hqq } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hqq({ bits: 4, groupSize: 64 }).roundZero, true); // the original's default at 4 bits only
 * ```
 */
export function hqq(options: HqqOptions): Hqq {
  return readOptions<Hqq>("hqq", hqqOptions, { roundZero: options.bits === 4, ...options });
}

/** One iteration of the solver. */
export interface HqqStep {
  /** Mean absolute error of the weights before the zero points moved. */
  readonly error: number;
  /** Zero points after it, one per group. */
  readonly zeros: Float32Array;
}

const f32 = Math.fround;

/** Proximal step of `|x|^p`, eq. 4: what of an error is split off as outlier. */
export function shrink(x: number, beta: number, norm: number): number {
  const size = Math.abs(x);
  const threshold = f32(f32(1 / beta) * (norm === 1 ? 1 : f32(pow(size, f32(norm - 1)))));
  return Math.sign(x) * Math.max(f32(size - threshold), 0);
}

/** Codes, scales and zero points of a weight `[out, in]`; `trace` sees each iteration. */
export function solveHqq(
  { rows, columns, data }: Matrix,
  scheme: Hqq,
  trace?: (step: HqqStep) => void,
): RealZeroWeight {
  const { bits, axis, solver, norm, precision, earlyStop } = scheme, most = 2 ** bits - 1;
  const groupSize = groupSizeOf(scheme, columns), count = data.length, groups = count / groupSize;
  if (!Number.isInteger(groups)) {
    throw new SchemeError("shape", `groupSize ${groupSize} does not divide ${count} weights`);
  }
  // Weight `k` of group `g` lies at `g * first + k * next`.
  const [first, next] = axis === 1 ? [groupSize, 1] : [1, groups];
  const { inverse, zeros: start } = rangeOf(data, groups, groupSize, first, next, most);
  let zeros = scheme.roundZero ? start.map(roundHalfEven) : start;
  const code = (value: number, group: number) => {
    const q = roundHalfEven(f32(f32(value * inverse[group]) + zeros[group]));
    return q < 0 ? 0 : q > most ? most : q;
  };

  let { beta } = scheme, least = Infinity, best = zeros;
  const shifts = new Float32Array(count), errors = new Float32Array(count);
  for (let step = 0; solver !== "none" && step < scheme.iterations; step++) {
    for (let group = 0; group < groups; group++) {
      for (let k = 0, i = group * first; k < groupSize; k++, i += next) {
        const q = code(data[i], group), error = f32(data[i] - f32(f32(q - zeros[group]) / inverse[group]));
        errors[i] = Math.abs(error);
        shifts[i] = q - f32(f32(data[i] - shrink(error, beta, norm)) * inverse[group]);
      }
    }
    const error = runMean(errors, 0, count), before = zeros;
    const mean = axis === 1
      ? (group: number) => runMean(shifts, group * groupSize, groupSize)
      : (group: number) => columnMean(shifts, groupSize, groups, group);
    zeros = Float32Array.from({ length: groups }, (_, group) => mean(group));
    trace?.({ error, zeros });
    if (solver === "v2") beta *= scheme.kappa;
    if (error < least) [least, best] = [error, before];
    else if (earlyStop) {
      if (solver === "v2") zeros = best;
      break;
    }
  }
  const codes = new Uint8Array(count);
  for (let group = 0; group < groups; group++) {
    for (let k = 0, i = group * first; k < groupSize; k++, i += next) codes[i] = code(data[i], group);
  }
  const stored = (values: Float32Array) => {
    if (precision === "float32") return values;
    const rounded = values.map(Math.f16round), bad = rounded.findIndex((value) => !Number.isFinite(value));
    if (bad < 0) return rounded;
    // A narrow range far from 0 has a zero point beyond float16.
    throw new SchemeError(
      "values",
      `hqq: the zero point ${values[bad]} of group ${bad} is beyond float16: expected precision "float32"`,
    );
  };
  const scales = stored(inverse.map((one) => 1 / one));
  const shape = [rows, columns] as const;
  return new RealZeroWeight({ shape, bits, groupSize, axis, codes, scales, zeros: stored(zeros), precision });
}

/** Inverse scales, and zero points that put the smallest weight of each group on code 0. */
function rangeOf(
  data: Float32Array,
  groups: number,
  groupSize: number,
  first: number,
  next: number,
  most: number,
): { inverse: Float32Array; zeros: Float32Array } {
  const inverse = new Float32Array(groups), zeros = new Float32Array(groups);
  for (let group = 0; group < groups; group++) {
    let least = Infinity, largest = -Infinity;
    for (let k = 0, i = group * first; k < groupSize; k++, i += next) {
      if (data[i] < least) least = data[i];
      if (data[i] > largest) largest = data[i];
    }
    const range = f32(largest - least);
    // PyTorch divides a number by a tensor as the number times its reciprocal.
    inverse[group] = range <= 1e-4 ? 1 : Math.min(f32(most * f32(1 / range)), 2e4);
    zeros[group] = -least * inverse[group];
  }
  return { inverse, zeros };
}

const weights: WeightMethod<Hqq> = {
  needs: "nothing",
  quantize: (weight, scheme) => solveHqq(weight, scheme),
};

/** Half-quadratic quantization, for the registry. */
export const hqqMethod: MethodWith<{ weights: WeightMethod<Hqq> }> = {
  name: "hqq",
  paper: {
    title: "Half-Quadratic Quantization of Large Machine Learning Models",
    authors: "Badri, Shaji 2023",
    link: "https://mobiusml.github.io/hqq_blog/",
  },
  options: hqqOptions,
  cost: { passes: ({ solver, iterations }: Hqq) => solver === "none" ? 1 : iterations },
  parse: (options) => hqq(options as unknown as HqqOptions),
  weights,
};
