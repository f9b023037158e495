/** The loss of a model and its gradient at the top of the decoder. */
import { exp, log } from "../../base/elementary.ts";
import { tensorName } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import { product } from "./attention.ts";
import { type HostNorm, normBackward, normForward } from "./derivatives.ts";

/** The mean cross-entropy of a window's `tokens - 1` predictions, with its derivatives. All matrices are `[tokens, hidden]`. */
export interface LossGradient {
  /** In nats. */
  readonly loss: number;
  /** With respect to the hidden states after the last layer. */
  readonly hidden: Float32Array;
  /** What the output projection reads. */
  readonly states: Float32Array;
  /** With respect to that. */
  readonly dStates: Float32Array;
}

/**
 * The loss of a window, given its hidden states after the last layer. `head` stands in for the weight of the output projection.
 *
 * @throws {SchemeError} `combination` for models whose logits are more than a norm and a linear layer
 */
export async function lossOf(
  model: Model,
  ids: Int32Array,
  hidden: Float32Array,
  head?: Float32Array,
): Promise<LossGradient> {
  const { device, architecture } = model, rows = ids.length;
  const { hiddenSize, vocabularySize, finalNorm, logitScale, logitSoftcap, embeddingProjection } =
    architecture;
  if (
    finalNorm === null ||
    (model.headBias ?? logitScale ?? logitSoftcap ?? embeddingProjection ?? null) !== null
  ) {
    throw new SchemeError(
      "combination",
      `${model.name}: no gradient is known of the logits of ${architecture.family}: expected a norm and a linear layer alone`,
    );
  }
  const norm: HostNorm = {
    ...architecture.norm,
    weight: await model.vector(tensorName(finalNorm.weight, 0)).values(),
    bias: finalNorm.bias === undefined ? null : await model.vector(tensorName(finalNorm.bias, 0)).values(),
  };
  const weight = head ?? await model.head.values(), states = normForward(norm, hidden);
  const forward = { m: rows, n: vocabularySize, k: hiddenSize, transposeB: true };
  const gradient = await product(device, states, weight, forward);
  let loss = 0;
  for (let t = 0, start = 0; t < rows; t++, start += vocabularySize) {
    const row = gradient.subarray(start, start + vocabularySize);
    if (t === rows - 1) row.fill(0);
    else loss += crossEntropy(row, ids[t + 1], rows - 1) / (rows - 1);
  }
  const dStates = await product(device, gradient, weight, { m: rows, n: hiddenSize, k: vocabularySize });
  return { loss, states, dStates, hidden: normBackward(norm, hidden, dStates).input };
}

/** Cross-entropy of logits, which become `(softmax - onehot(target)) / count` in place. */
function crossEntropy(logits: Float32Array, target: number, count: number): number {
  let most = -Infinity, sum = 0;
  for (let j = 0; j < logits.length; j++) most = Math.max(most, logits[j]);
  const own = logits[target] - most;
  for (let j = 0; j < logits.length; j++) sum += logits[j] = exp(logits[j] - most);
  for (let j = 0; j < logits.length; j++) logits[j] /= sum * count;
  logits[target] -= 1 / count;
  return log(sum) - own;
}
