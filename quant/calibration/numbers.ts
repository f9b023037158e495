/** What a method learns from must be numbers: a maximum passes NaN over, and a sum of squares spreads it. */
import { requireNumbers } from "../../model/decoder/numbers.ts";
import type { Model } from "../../model/model.ts";

/**
 * Throws where hidden states of calibration windows hold a NaN.
 *
 * @param states `[tokens, hidden]` of each window
 * @param where such as `"after layer 3"`
 * @throws {ModelError} `nan`
 */
export function requireStates(model: Model, states: readonly Float32Array[], where: string): void {
  for (const [i, values] of states.entries()) {
    requireNumbers(
      values,
      model.architecture.hiddenSize,
      (row) => `${model.name}: the hidden states of token ${row} of calibration window ${i} ${where}`,
    );
  }
}
