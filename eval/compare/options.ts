/** What a comparison runs with, and the check of it. */
import type { Device } from "../../kernels/device.ts";
import type { Execution } from "../../quant/weights/linear.ts";
import { show } from "../../base/show.ts";
import type { TokenWindows } from "../windows.ts";
import { CompareError } from "./error.ts";
import { type NoiseKind, noiseKinds } from "./noise.ts";

/** What a comparison runs with. */
export interface CompareOptions {
  /** Windows on which all models run. */
  readonly windows: TokenWindows;
  /** Windows for methods that calibrate. */
  readonly calibration?: TokenWindows;
  /** How quantized weights are multiplied (default `"simulated"`). */
  readonly execution?: Execution;
  /** Whether the reference is also computed in bfloat16 and in another order of sums (default: true): twice more of its time. */
  readonly noise?: boolean;
  /** Inner edges of the buckets of the reference's confidence, rising (default 0.25, 0.5, 0.75, 0.9, 0.99). */
  readonly buckets?: readonly number[];
  /** Probability with which an interval holds what it is about (default 0.95). */
  readonly level?: number;
  /** Probability with which the smallest detectable difference is found (default 0.8). */
  readonly power?: number;
  /** Where windows are stored (default `QUANTBOOK_CACHE` or `.quantbook/results`); null stores nothing. */
  readonly results?: string | null;
  /** Whether a window that is not stored is an error instead of being measured (default: when `QUANTBOOK_STORED` is set). */
  readonly storedOnly?: boolean;
  /** Where models run (default: the process's device). */
  readonly device?: Device;
  /** Called after each window; `stored` when nothing of it had to be measured. */
  readonly onWindow?: (done: number, total: number, stored: boolean) => void;
}

/** Positions that intervals and tests need at least. */
export const fewestTokens = 32;

/** Inner edges of the buckets of confidence, where nothing else is asked for. */
export const defaultBuckets: readonly number[] = [0.25, 0.5, 0.75, 0.9, 0.99];

/** What is left of the options when defaults are filled in. */
export interface CheckedOptions {
  /** Edges of the buckets, from 0 to 1. */
  readonly edges: readonly number[];
  /** Probability of an interval. */
  readonly level: number;
  /** Power of a test. */
  readonly power: number;
  /** Noises of the reference. */
  readonly noises: readonly NoiseKind[];
}

/** @throws {CompareError} `option` or `windows` */
export function checkedOptions(options: CompareOptions): CheckedOptions {
  const { buckets = defaultBuckets, level = 0.95, power = 0.8, noise = true, windows } = options;
  const edges = [0, ...buckets, 1];
  if (!edges.every((edge, i) => i === 0 || edge > edges[i - 1])) {
    throw new CompareError(
      "option",
      `buckets is ${show(buckets)}: expected rising numbers between 0 and 1`,
    );
  }
  for (const [name, value, least] of [["level", level, 0.5], ["power", power, 0.5]] as const) {
    if (typeof value === "number" && value >= least && value < 1) continue;
    throw new CompareError("option", `${name} is ${show(value)}: expected a number from ${least}, below 1`);
  }
  if (typeof noise !== "boolean") {
    throw new CompareError("option", `noise is ${show(noise)}: expected true or false`);
  }
  const tokens = windows.reduce((sum, { length }) => sum + length, 0);
  if (tokens < fewestTokens) {
    throw new CompareError(
      "windows",
      `windows has ${tokens} tokens: expected at least ${fewestTokens}, so that intervals can be told`,
    );
  }
  return { edges, level, power, noises: noise ? noiseKinds : [] };
}
