/** Log-probabilities of windows of text: what perplexity and divergence are made of. */
import type { Model } from "../model/model.ts";

/** Token windows, and functions that take windows also take plain `Int32Array[]`. */
export type TokenWindows = readonly Int32Array[];

/**
 * Calls `visit` with the natural log-probabilities `[tokens, vocabulary]` of each window; row `t` is about token
 * `t + 1`. The array is only valid during the call.
 */
export async function forEachLogProbabilities(
  model: Model,
  windows: TokenWindows,
  visit: (logProbabilities: Float32Array, index: number) => void | Promise<void>,
): Promise<void> {
  const { device, architecture } = model;
  await model.forEachLogits(windows, async (logits, index) => {
    device.logSoftmax(logits, logits, windows[index].length, architecture.vocabularySize);
    await visit(await device.read(logits), index);
  });
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
