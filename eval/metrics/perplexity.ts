/** Perplexity of a model on windows of text, with its standard error. */
import { exp } from "../../base/elementary.ts";
import type { Model } from "../../model/model.ts";
import { forEachLogProbabilities } from "./score.ts";
import { meanOfGroups, studentQuantile } from "../statistics.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";

/** A measured perplexity. */
export interface Perplexity {
  /** `exp` of the mean negative log-likelihood of all tokens but the first of each window. */
  readonly value: number;
  /**
   * Standard error of `value`: that of the mean over windows, times `value` (delta method). Windows count as
   * independent, so correlation within a window is accounted for and correlation between neighbours is not.
   */
  readonly standardError: number;
  /** Mean negative log-likelihood of each window, in nats per token. */
  readonly windowNll: readonly number[];
  /** Number of predicted tokens. */
  readonly tokens: number;
}

/** Mean negative log-likelihood of a window, in float64. */
export function negativeLogLikelihood(logProbabilities: Float32Array, ids: Int32Array): number {
  const vocabulary = logProbabilities.length / ids.length;
  let sum = 0;
  for (let t = 0; t + 1 < ids.length; t++) sum -= logProbabilities[t * vocabulary + ids[t + 1]];
  return sum / (ids.length - 1);
}

/** The perplexity that belongs to the windows' mean negative log-likelihoods; `predicted` are the tokens of each mean. */
export function perplexityOf(windowNll: readonly number[], predicted: readonly number[]): Perplexity {
  const { mean, standardError } = meanOfGroups(windowNll, predicted);
  const value = exp(mean), tokens = predicted.reduce((sum, one) => sum + one, 0);
  return { value, standardError: value * standardError, windowNll, tokens };
}

/**
 * Student's interval of a perplexity: that of the mean negative log-likelihood, windows counted as independent, through `exp`. Of one window
 * alone it is open.
 *
 * @param level probability with which it holds the perplexity of such texts
 */
export function perplexityInterval(
  { value, standardError, windowNll }: Perplexity,
  level = 0.95,
): readonly [low: number, high: number] {
  if (windowNll.length < 2) return [1, Infinity];
  const reach = studentQuantile((1 + level) / 2, windowNll.length - 1) * standardError / value;
  return [value * exp(-reach), value * exp(reach)];
}

/**
 * Perplexity over windows (reference: `eval_ppl`, SPEC section 12.1: each window starts afresh).
 *
 * @example
 * ```ts
 * import { corpus, loadModel, perplexity } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const text = await corpus("sotu", { split: "test", windows: 2, length: 128 });
 * const { value, standardError } = await perplexity(model, text);
 * assert(value > 5 && value < 200 && standardError > 0);
 * ```
 */
export async function perplexity(model: Model, windows: TokenWindows): Promise<Perplexity> {
  requireWindows(windows, model);
  const windowNll: number[] = new Array(windows.length).fill(NaN);
  await forEachLogProbabilities(model, windows, (logProbabilities, index) => {
    windowNll[index] = negativeLogLikelihood(logProbabilities, windows[index]);
  });
  return perplexityOf(windowNll, windows.map(({ length }) => length - 1));
}
