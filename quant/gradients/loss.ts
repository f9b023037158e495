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

/** A number of a window's logits with its derivatives. All matrices are `[tokens, hidden]`. */
export interface TopGradient {
  /** The number. */
  readonly value: number;
  /** With respect to the hidden states after the last layer. */
  readonly hidden: Float32Array;
  /** What the output projection reads. */
  readonly states: Float32Array;
  /** With respect to that. */
  readonly dStates: Float32Array;
  /** With respect to the logits `[tokens, vocabulary]`. */
  readonly dLogits: Float32Array;
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
  const count = ids.length - 1;
  const top = await topOf(model, hidden, (logits) => crossEntropyOf(logits, ids, count) / count, head);
  return { loss: top.value, states: top.states, dStates: top.dStates, hidden: top.hidden };
}

/**
 * A number of the logits of a window, given its hidden states after the last layer. `number` gives it, and puts its gradient in the place
 * of the logits `[tokens, vocabulary]`; `head` stands in for the weight of the output projection.
 *
 * @throws {SchemeError} `combination` for models whose logits are more than a norm and a linear layer
 */
export async function topOf(
  model: Model,
  hidden: Float32Array,
  number: (logits: Float32Array) => number,
  head?: Float32Array,
): Promise<TopGradient> {
  const { device, architecture } = model, { hiddenSize, vocabularySize } = architecture;
  const rows = hidden.length / hiddenSize, norm = await topNorm(model);
  const weight = head ?? await model.head.values(), states = normForward(norm, hidden);
  const forward = { m: rows, n: vocabularySize, k: hiddenSize, transposeB: true };
  const dLogits = await product(device, states, weight, forward), value = number(dLogits);
  const dStates = await product(device, dLogits, weight, { m: rows, n: hiddenSize, k: vocabularySize });
  return { value, states, dStates, dLogits, hidden: normBackward(norm, hidden, dStates).input };
}

/** The norm below the output projection. */
async function topNorm(model: Model): Promise<HostNorm> {
  const { architecture } = model;
  const { finalNorm, logitScale, logitSoftcap, embeddingProjection } = architecture;
  if (
    finalNorm === null ||
    (model.headBias ?? logitScale ?? logitSoftcap ?? embeddingProjection ?? null) !== null
  ) {
    throw new SchemeError(
      "combination",
      `${model.name}: no gradient is known of the logits of ${architecture.family}: expected a norm and a linear layer alone`,
    );
  }
  return {
    ...architecture.norm,
    weight: await model.vector(tensorName(finalNorm.weight, 0)).values(),
    bias: finalNorm.bias === undefined ? null : await model.vector(tensorName(finalNorm.bias, 0)).values(),
  };
}

/**
 * The cross-entropy of a window, summed over its `tokens - 1` predictions, in nats; logits become its gradient over `count`. Of the last
 * row nothing is predicted.
 */
export function crossEntropyOf(logits: Float32Array, ids: Int32Array, count: number): number {
  const width = logits.length / ids.length;
  let loss = 0;
  for (let t = 0; t < ids.length; t++) {
    const row = logits.subarray(t * width, (t + 1) * width);
    if (t === ids.length - 1) row.fill(0);
    else loss += crossEntropy(row, ids[t + 1], count);
  }
  return loss;
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
