/** Perplexity and divergence of one model in one pass over the windows. */
import type { Model } from "../../model/model.ts";
import { type Divergence, divergenceOf, type FloatPredictions, type WindowDivergence } from "./divergence.ts";
import { negativeLogLikelihood, type Perplexity, perplexityOf } from "./perplexity.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { forEachLogProbabilities } from "./score.ts";

/** What a model scores on windows of text. */
export interface Measurement {
  /** On the windows. */
  readonly perplexity: Perplexity;
  /** Against the float model, when a reference was given. */
  readonly divergence: Divergence | null;
}

/** Measures a model on windows; with `reference` (of the same windows) also its divergence. */
export async function measure(
  model: Model,
  windows: TokenWindows,
  reference: FloatPredictions | null = null,
): Promise<Measurement> {
  requireWindows(windows, model);
  reference?.requireSameTokens(model);
  const windowNll: number[] = [];
  const divergences: WindowDivergence[] = [];
  await forEachLogProbabilities(model, windows, (logProbabilities, index) => {
    windowNll[index] = negativeLogLikelihood(logProbabilities, windows[index]);
    if (reference !== null) divergences[index] = reference.compare(index, logProbabilities);
  });
  return {
    perplexity: perplexityOf(windowNll, windows.map(({ length }) => length - 1)),
    divergence: reference === null ? null : divergenceOf(divergences, windows),
  };
}
