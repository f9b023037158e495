/** Log-probabilities of windows of text: what perplexity and divergence are made of. */
import { type Model, requireModel } from "../../model/model.ts";
import { ModelError } from "../../model/error.ts";
import type { TokenWindows } from "../windows.ts";

/**
 * Calls `visit` with the natural log-probabilities `[tokens, vocabulary]` of each window; row `t` is about token
 * `t + 1`. The array is only valid during the call.
 *
 * @throws {ModelError} `nan`, where they are no numbers
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
    const values = await device.read(logits);
    // One NaN makes the sum of its row NaN, and so all that is divided by it: the first of each row tells.
    const width = architecture.vocabularySize;
    const row = windows[index].findIndex((_, t) => Number.isNaN(values[t * width]));
    if (row >= 0) {
      const id = windows[index][row];
      throw new ModelError(
        "nan",
        `${model.name}: windows[${index}]: the log-probabilities after token ${row} (id ${id}) are NaN`,
      );
    }
    await visit(values, index);
  });
}
