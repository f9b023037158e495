/** A model, and what a scheme makes of it, measured side by side on the same windows: what one asks first of a quantization. */
import type { Model } from "../../model/model.ts";
import { quantize, type QuantizeOptions } from "../../quant/quantize.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { weightStorage } from "../../quant/weights/linear.ts";
import { type Size, sizes } from "../../quant/weights/sizes.ts";
import { requireWindows, type TokenWindows } from "../windows.ts";
import { type Divergence, divergenceOf, FloatPredictions, type WindowDivergence } from "./divergence.ts";
import { type PairedDifference, pairedDifference } from "./paired.ts";
import { negativeLogLikelihood, type Perplexity, perplexityOf } from "./perplexity.ts";
import { forEachLogProbabilities } from "./score.ts";

/** What is measured of a model. */
export interface Assessment {
  /** As it is. */
  readonly float: Perplexity;
  /** As the scheme makes it; null where the scheme changes nothing. */
  readonly quantized: QuantizedAssessment | null;
}

/** What is measured of a quantized model beside the float one. */
export interface QuantizedAssessment {
  /** On the same windows. */
  readonly perplexity: Perplexity;
  /** Of its predictions from the float model's. */
  readonly divergence: Divergence;
  /** Of the negative log-likelihoods, quantized minus float, in nats per token; null of one window alone. */
  readonly difference: PairedDifference | null;
  /** Of the linear layers, measured. */
  readonly storage: Size;
  /** Of the whole model: embedding, output projection, norms and biases, too. */
  readonly wholeStorage: Size;
}

/** What {@linkcode assess} runs with. */
export interface AssessOptions extends QuantizeOptions {
  /** Windows that are scored. */
  readonly windows: TokenWindows;
  /** Called after each window that a model has scored. */
  readonly onWindow?: (share: { readonly done: number; readonly total: number }) => void;
}

/**
 * Measures a model on windows and, unless the scheme is empty, what the scheme makes of it. The predictions of few windows are in memory.
 *
 * @throws {SchemeError} when the scheme does not fit, {CorpusError} when the windows are not the model's
 *
 * @example
 * ```ts
 * import { assess } from "quantbook/eval";
 * import { corpus, loadModel, rtn } from "quantbook";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const windows = await corpus("sotu", { windows: 2, length: 64 });
 * const { float, quantized } = await assess(model, { weights: rtn({ bits: 3 }) }, { windows });
 * assert(quantized !== null && quantized.perplexity.value > float.value && quantized.divergence.value > 0);
 * ```
 */
export async function assess(model: Model, scheme: Scheme, options: AssessOptions): Promise<Assessment> {
  const { windows, onWindow } = options;
  requireWindows(windows, model);
  const asIs = Object.values(scheme).every((part) => part === undefined);
  using quantized = asIs ? null : await quantize(model, scheme, options);
  const total = windows.length * (quantized === null ? 1 : 2);
  let done = 0;
  const scored = () => onWindow?.({ done: ++done, total });
  const floatNll: number[] = [], quantizedNll: number[] = [], divergences: WindowDivergence[] = [];
  // Where weights pass by layer by layer, they shall not do so for every window.
  const together = model.streaming ? 4 : 1;
  for (let first = 0; first < windows.length; first += together) {
    const part = windows.slice(first, first + together);
    const reference = await FloatPredictions.of(model, part, (logProbabilities, i) => {
      floatNll.push(negativeLogLikelihood(logProbabilities, part[i]));
      scored();
    });
    if (quantized === null) continue;
    await forEachLogProbabilities(quantized, part, (logProbabilities, i) => {
      quantizedNll.push(negativeLogLikelihood(logProbabilities, part[i]));
      divergences.push(reference.compare(i, logProbabilities));
      scored();
    });
  }
  const predicted = windows.map(({ length }) => length - 1), float = perplexityOf(floatNll, predicted);
  if (quantized === null) return { float, quantized };
  const perplexity = perplexityOf(quantizedNll, predicted);
  return {
    float,
    quantized: {
      perplexity,
      divergence: divergenceOf(divergences, windows),
      difference: windows.length < 2 ? null : pairedDifference(perplexity, float),
      storage: weightStorage(quantized),
      wholeStorage: sizes(quantized).model,
    },
  };
}
