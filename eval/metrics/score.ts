/** Log-probabilities of windows of text: what perplexity and divergence are made of. */
import { type Model, requireModel } from "../../model/model.ts";
import type { TokenWindows } from "../windows.ts";

/**
 * Calls `visit` with the natural log-probabilities `[tokens, vocabulary]` of each window; row `t` is about token
 * `t + 1`. The array is only valid during the call.
 */
export async function forEachLogProbabilities(
  model: Model,
  windows: TokenWindows,
  visit: (logProbabilities: Float32Array, index: number) => void | Promise<void>,
): Promise<void> {
  requireModel(model);
  const { device, architecture } = model;
  await model.forEachLogits(windows, async (logits, index) => {
    device.logSoftmax(logits, logits, windows[index].length, architecture.vocabularySize);
    await visit(await device.read(logits), index);
  });
}
