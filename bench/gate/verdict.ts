/** When a kernel counts as slower than it was: the statistics of the performance gate, apart from any clock. */

import { medianInterval } from "../measure.ts";

/** Halfway (in ratios) between no change and the 1.2-fold slowdown that must be found. */
export const limit = Math.sqrt(1.2);

/** What pairs of times say. */
export interface Verdict {
  /** How many times the baseline's time the candidate takes: the median over pairs, and its 99.9% interval. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  /** Whether the ratio is above the limit: by the whole interval, or, where that is undecided, by the median. */
  readonly slower: boolean;
  /** Whether the interval lies on one side of the limit, so that more pairs would change nothing. */
  readonly decided: boolean;
}

/** Compares pairs of times, the candidate's over the baseline's of the same round. */
export function judge(candidate: readonly number[], baseline: readonly number[]): Verdict {
  const { median, low, high } = medianInterval(candidate.map((time, i) => Math.log(time / baseline[i])));
  const edge = Math.log(limit);
  return {
    ratio: Math.exp(median),
    low: Math.exp(low),
    high: Math.exp(high),
    slower: median > edge,
    decided: low > edge || high < edge,
  };
}
