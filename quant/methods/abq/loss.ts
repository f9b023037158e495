/** ABQ-LLM's loss of a block, and its gradient. */
import { exp, log } from "../../../base/elementary.ts";
import type { BlockLoss, BlockOutcome } from "../../gradients/reconstruction.ts";
import { meanSquares } from "../../gradients/reconstruction.ts";

/** Which terms a loss has beside the mean squares. */
export interface AbqTerms {
  /** The cosine of each token's output with each target's, its mean's logarithm taken off. */
  readonly cosine: boolean;
  /** The divergence of attention probabilities, both ways. */
  readonly maps: boolean;
}

/**
 * Mean squares, minus the logarithm of the mean cosine, for each target; and the symmetric Kullback-Leibler divergence of attention
 * probabilities, the mean over all entries. The probabilities go through a softmax once more first, as the original code has it.
 */
export function abqLoss({ cosine, maps }: AbqTerms): (outcome: BlockOutcome) => BlockLoss {
  return (outcome) => {
    const { loss: squares, gradient } = meanSquares(outcome);
    let loss = squares;
    for (const target of cosine ? outcome.targets : []) loss += cosineTerm(outcome, target, gradient);
    if (!maps) return { loss, gradient };
    const dMaps = outcome.maps.map(({ found }) => new Float32Array(found.length));
    for (const [i, { found, target }] of outcome.maps.entries()) {
      loss += divergenceTerm(found, target, dMaps[i], outcome.maps.length);
    }
    return { loss, gradient, maps: dMaps };
  };
}

/** `-log |mean over tokens of cos(y, target)|`; its gradient is added. */
function cosineTerm({ output, columns }: BlockOutcome, target: Float32Array, gradient: Float32Array): number {
  const rows = output.length / columns, own = new Float64Array(output.length);
  let sum = 0;
  for (let start = 0; start < output.length; start += columns) {
    let dot = 0, a = 0, b = 0;
    for (let i = start; i < start + columns; i++) {
      dot += output[i] * target[i];
      a += output[i] * output[i];
      b += target[i] * target[i];
    }
    // As torch's cosine_similarity: neither norm counts less than 1e-8.
    const norm = Math.max(Math.sqrt(a), 1e-8),
      other = Math.max(Math.sqrt(b), 1e-8),
      cosine = dot / (norm * other);
    sum += cosine;
    for (let i = start; i < start + columns; i++) {
      own[i] = target[i] / (norm * other) - cosine * output[i] / (norm * norm);
    }
  }
  const mean = sum / rows;
  for (let i = 0; i < own.length; i++) gradient[i] -= own[i] / rows / mean;
  return -log(Math.abs(mean));
}

/** Divergences of one window's probabilities, of `windows` of equal size; the gradient goes into `into`. */
function divergenceTerm(
  found: Float32Array,
  target: Float32Array,
  into: Float32Array,
  windows: number,
): number {
  const size = Math.sqrt(found.length), count = found.length * windows;
  let loss = 0;
  for (let start = 0; start < found.length; start += size) {
    const p = softmax(found, start, size), t = softmax(target, start, size);
    let forward = 0, backward = 0;
    for (let j = 0; j < size; j++) {
      forward += p.values[j] * (p.logs[j] - t.logs[j]);
      backward += t.values[j] * (t.logs[j] - p.logs[j]);
    }
    loss += (forward + backward) / count;
    for (let j = 0; j < size; j++) {
      const along = p.values[j] * (p.logs[j] - t.logs[j] - forward);
      into[start + j] = (along + p.values[j] - t.values[j]) / count;
    }
  }
  return loss;
}

function softmax(x: Float32Array, start: number, size: number): { values: Float64Array; logs: Float64Array } {
  const values = new Float64Array(size), logs = new Float64Array(size);
  let most = -Infinity, sum = 0;
  for (let j = 0; j < size; j++) most = Math.max(most, x[start + j]);
  for (let j = 0; j < size; j++) sum += values[j] = exp(x[start + j] - most);
  for (let j = 0; j < size; j++) {
    values[j] /= sum;
    logs[j] = x[start + j] - most - log(sum);
  }
  return { values, logs };
}
