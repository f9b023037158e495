/** Paired comparison of two models on the same windows: is one really better, or is it the text? */
import type { Perplexity } from "./perplexity.ts";
import { meanOf } from "./score.ts";

/** Difference of two models' mean negative log-likelihoods, in nats per token. */
export interface PairedDifference {
  /** Mean over windows of `a - b`: negative when `a` predicts better. */
  readonly value: number;
  /** Standard error of the mean of the differences; much smaller than that of either model. */
  readonly standardError: number;
  /** `value / standardError`: Student's t with `windows - 1` degrees of freedom. */
  readonly t: number;
}

/** Compares two perplexities measured on the same windows. */
export function pairedDifference(a: Perplexity, b: Perplexity): PairedDifference {
  const differences = a.windowNll.map((nll, i) => nll - b.windowNll[i]);
  const { mean, standardError } = meanOf(differences);
  return { value: mean, standardError, t: mean === 0 ? 0 : mean / standardError };
}

/** What became of a claimed ordering. */
export type TrendOutcome = "held" | "not held" | "undecidable";

/**
 * Whether `better` has a lower perplexity than `worse`, by a paired t statistic beyond `threshold` (default 2.13, the
 * two-sided 95% point for 16 windows).
 */
export function trend(better: Perplexity, worse: Perplexity, threshold = 2.13): TrendOutcome {
  const { t } = pairedDifference(better, worse);
  if (t <= -threshold) return "held";
  return t >= threshold ? "not held" : "undecidable";
}
