/** Standard errors and tests of differences: what separates a finding from the luck of the draw. */
// @ts-types="./jstat.d.ts"
import jstat from "jstat";
import { exp, log } from "../base/elementary.ts";
import { QuantbookError } from "../base/error.ts";
import { PythonRandom } from "../base/random.ts";

/** Samples cannot be compared: `"pairs"` (not the same examples), `"option"`. */
export class StatisticsError extends QuantbookError {}

/** Student's t test of paired differences. */
export interface PairedTest {
  /** Mean of `a - b`. */
  readonly value: number;
  /** Standard error of that mean; much smaller than that of either sample where both have the same ups and downs. */
  readonly standardError: number;
  /** `value / standardError`. */
  readonly t: number;
  /** One less than the number of pairs. */
  readonly degreesOfFreedom: number;
  /** Probability of a `t` at least as far from 0 if there were no difference. */
  readonly pValue: number;
}

/**
 * Whether two samples of the same examples differ in their mean.
 *
 * Source: "Student" (W. S. Gosset), "The probable error of a mean", Biometrika 6 (1908).
 *
 * @throws {StatisticsError} `pairs` when the samples are not of one length, or shorter than 2
 *
 * @example
 * ```ts
 * import { pairedTest } from "quantbook/eval";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * // Gosset's own data: hours of sleep gained with two drugs.
 * const first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
 * const second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
 * const { t, pValue } = pairedTest(first, second);
 * assertAlmostEquals(t, -4.0621, 1e-4);
 * assertAlmostEquals(pValue, 0.002833, 1e-6);
 * ```
 */
export function pairedTest(a: readonly number[], b: readonly number[]): PairedTest {
  requirePairs(a, b);
  const { mean, standardError } = meanOf(a.map((value, i) => value - b[i]));
  const t = mean === 0 ? 0 : mean / standardError;
  const degreesOfFreedom = a.length - 1;
  // The lower tail keeps its digits where the upper one would be 1 minus nothing.
  const pValue = Number.isFinite(t)
    ? Math.min(1, 2 * jstat.jStat.studentt.cdf(-Math.abs(t), degreesOfFreedom))
    : 0;
  return { value: mean, standardError, t, degreesOfFreedom, pValue };
}

/** The quantile of Student's distribution. */
export function studentQuantile(probability: number, degreesOfFreedom: number): number {
  return jstat.jStat.studentt.inv(probability, degreesOfFreedom);
}

/** A difference with an interval from resampled examples. */
export interface BootstrapDifference {
  /** Mean of `a - b`. */
  readonly value: number;
  /** Ends of the interval that holds the middle share `level` of resampled means. */
  readonly interval: readonly [low: number, high: number];
  /** Share of resampled means on the other side of 0, twice; at least 2 / replicates. */
  readonly pValue: number;
}

/**
 * Paired bootstrap: draws examples with replacement and looks how the mean difference moves. Assumes no distribution.
 *
 * Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
 *
 * @throws {StatisticsError} `pairs` or `option`
 *
 * @example
 * ```ts
 * import { pairedBootstrap } from "quantbook/eval";
 * import { assert } from "@std/assert";
 *
 * const better = Array.from({ length: 100 }, (_, i) => Number(i % 10 < 8));
 * const worse = Array.from({ length: 100 }, (_, i) => Number(i % 10 < 5));
 * const { value, interval } = pairedBootstrap(better, worse);
 * assert(value > 0.29 && interval[0] > 0.2 && interval[1] < 0.4);
 * ```
 */
export function pairedBootstrap(
  a: readonly number[],
  b: readonly number[],
  { replicates = 10_000, level = 0.95, seed = 0 }: {
    readonly replicates?: number;
    readonly level?: number;
    readonly seed?: number;
  } = {},
): BootstrapDifference {
  requirePairs(a, b);
  if (!(Number.isInteger(replicates) && replicates > 0)) fail("replicates", replicates, "an integer from 1");
  if (!(level > 0 && level < 1)) fail("level", level, "a number between 0 and 1");
  const differences = Float64Array.from(a, (value, i) => value - b[i]);
  const n = differences.length;
  const random = new PythonRandom(seed);
  const means = new Float64Array(replicates);
  for (let r = 0; r < replicates; r++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += differences[Math.floor(random.random() * n)];
    means[r] = sum / n;
  }
  means.sort();
  const value = meanOf(differences).mean;
  const across = means.filter((mean) => value >= 0 ? mean <= 0 : mean >= 0).length;
  const at = (share: number) =>
    means[Math.min(replicates - 1, Math.max(0, Math.round(share * (replicates - 1))))];
  return {
    value,
    interval: [at((1 - level) / 2), at((1 + level) / 2)],
    pValue: Math.min(1, Math.max(2 / replicates, 2 * across / replicates)),
  };
}

/**
 * Two-sided probability that of the pairs that differ so many differ the same way, if either way were as likely: of questions, those that
 * one model answers and the other does not. 1 where none does.
 *
 * Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947), in its exact
 * form.
 *
 * @param gained pairs that differ one way
 * @param lost pairs that differ the other way
 * @throws {StatisticsError} `option` when a count is none
 *
 * @example
 * ```ts
 * import { signTest } from "quantbook/eval";
 * import { assertAlmostEquals } from "@std/assert";
 * assertAlmostEquals(signTest(1, 5), 14 / 64, 1e-12);
 * ```
 */
export function signTest(gained: number, lost: number): number {
  for (const [name, value] of Object.entries({ gained, lost })) {
    if (!(Number.isSafeInteger(value) && value >= 0)) fail(name, value, "an integer from 0");
  }
  const n = gained + lost, fewer = Math.min(gained, lost);
  // Terms of the tail from their logarithms: 2^-n alone is no number for the questions of a benchmark.
  let logTerm = -n * Math.LN2, tail = 0;
  for (let k = 0; k <= fewer; k++) {
    tail += exp(logTerm);
    logTerm += log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}

/**
 * P-values of many tests, adjusted so that those below a level have at most that share of false alarms among them.
 *
 * Source: Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57 (1995).
 *
 * @throws {StatisticsError} `option` when a p-value is none
 *
 * @example
 * ```ts
 * import { adjustPValues } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 * assertEquals(adjustPValues([0.01, 0.04, 0.03]), [0.03, 0.04, 0.04]);
 * ```
 */
export function adjustPValues(pValues: readonly number[]): number[] {
  const bad = pValues.findIndex((p) => !(p >= 0 && p <= 1));
  if (bad >= 0) fail(`pValues[${bad}]`, pValues[bad], "a number from 0 to 1");
  const n = pValues.length;
  const order = [...pValues.keys()].sort((i, j) => pValues[j] - pValues[i]);
  const adjusted = new Array<number>(n);
  let least = 1;
  for (const [rank, i] of order.entries()) {
    least = Math.min(least, pValues[i] * n / (n - rank));
    adjusted[i] = least;
  }
  return adjusted;
}

/**
 * Standard error of a mean over several tasks, from their own (lm-evaluation-harness: pooled sample variance).
 *
 * @param errors standard error of each task
 * @param sizes examples of each task
 *
 * @example
 * ```ts
 * import { pooledStandardError } from "quantbook/eval";
 * import { assertAlmostEquals } from "@std/assert";
 * assertAlmostEquals(pooledStandardError([0.1, 0.1], [10, 10]), 0.1 / Math.SQRT2, 1e-12);
 * ```
 */
export function pooledStandardError(errors: readonly number[], sizes: readonly number[]): number {
  const all = sizes.reduce((sum, n) => sum + n, 0);
  const squares = errors.reduce((sum, error, i) => sum + (sizes[i] - 1) * sizes[i] * error ** 2, 0);
  return Math.sqrt(squares / (all - sizes.length) / all);
}

function requirePairs(a: readonly number[], b: readonly number[]): void {
  if (a.length === b.length && a.length > 1) return;
  throw new StatisticsError(
    "pairs",
    `a has ${a.length} values and b ${b.length}: expected the same number, at least 2`,
  );
}

export function fail(name: string, value: unknown, accepted: string): never {
  throw new StatisticsError("option", `${name} is ${value}: expected ${accepted}`);
}

/** Mean and standard error of the mean; the error of a single value is unknown (NaN). */
export function meanOf(values: ArrayLike<number>): { mean: number; standardError: number } {
  const n = values.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i];
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i] - mean) ** 2;
  return { mean, standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : NaN };
}

/**
 * Mean over the parts of groups, from the groups' own means, and its standard error with groups counted as independent: the
 * ratio estimator of cluster sampling (Cochran, Sampling Techniques, 3rd ed., section 6.3). Groups of one size give `meanOf`.
 *
 * @param sizes parts of each group
 */
export function meanOfGroups(
  means: readonly number[],
  sizes: readonly number[],
): { mean: number; standardError: number } {
  if (sizes.every((size) => size === sizes[0])) return meanOf(means);
  const total = sizes.reduce((sum, size) => sum + size, 0), count = means.length;
  const mean = means.reduce((sum, one, i) => sum + one * sizes[i], 0) / total;
  const squares = means.reduce((sum, one, i) => sum + (sizes[i] * (one - mean)) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares * count / (count - 1)) / total };
}
