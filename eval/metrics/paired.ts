/** Paired comparison of two models on the same windows: is one really better, or is it the text? */
import type { Perplexity } from "./perplexity.ts";
import { type PairedTest, pairedTest } from "../statistics.ts";

/** Difference of two models' mean negative log-likelihoods, in nats per token: negative when the first predicts better. */
export type PairedDifference = PairedTest;

/** Compares two perplexities measured on the same windows. */
export function pairedDifference(a: Perplexity, b: Perplexity): PairedDifference {
  return pairedTest(a.windowNll, b.windowNll);
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
