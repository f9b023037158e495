/** Causal grouped-query attention, one query of one head after another. */

import type { AttentionShape } from "../device.ts";
import { visibleKeys } from "../host/functions.ts";

/** Probabilities `[heads, tokens, kvTokens]`, exactly 0 where a key is not visible. */
export function attentionProbabilities(
  q: Float32Array,
  k: Float32Array,
  p: Float32Array | Float64Array,
  shape: AttentionShape,
  slopes: Float32Array | null,
): void {
  const { tokens, kvTokens, heads, kvHeads, headDim, scale, softcap } = shape;
  const scores = new Float64Array(kvTokens);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head * kvHeads / heads);
    for (let token = 0; token < tokens; token++) {
      const [first, end] = visibleKeys(token, shape);
      let highest = -Infinity;
      for (let j = first; j < end; j++) {
        let score = 0;
        for (let d = 0; d < headDim; d++) {
          score += q[(token * heads + head) * headDim + d] * k[(j * kvHeads + kvHead) * headDim + d];
        }
        score *= scale;
        if (softcap !== undefined) score = softcap * Math.tanh(score / softcap);
        if (slopes) score += slopes[head] * (j - (end - 1));
        scores[j] = score;
        highest = Math.max(highest, score);
      }
      let sum = 0;
      for (let j = first; j < end; j++) sum += scores[j] = Math.exp(scores[j] - highest);
      const row = (head * tokens + token) * kvTokens;
      for (let j = 0; j < kvTokens; j++) p[row + j] = j >= first && j < end ? scores[j] / sum : 0;
    }
  }
}

/** `y = p v` over the visible keys of each query. */
export function attentionValues(
  p: Float32Array | Float64Array,
  v: Float32Array,
  y: Float32Array,
  shape: AttentionShape,
): void {
  const { tokens, kvTokens, heads, kvHeads, headDim } = shape;
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head * kvHeads / heads);
    for (let token = 0; token < tokens; token++) {
      const [first, end] = visibleKeys(token, shape);
      for (let d = 0; d < headDim; d++) {
        let sum = 0;
        for (let j = first; j < end; j++) {
          sum += p[(head * tokens + token) * kvTokens + j] * v[(j * kvHeads + kvHead) * headDim + d];
        }
        y[(token * heads + head) * headDim + d] = sum;
      }
    }
  }
}

/** Both halves, with the probabilities between them in float64. */
export function attention(
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  y: Float32Array,
  shape: AttentionShape,
  slopes: Float32Array | null,
): void {
  const p = new Float64Array(shape.heads * shape.tokens * shape.kvTokens);
  attentionProbabilities(q, k, p, shape, slopes);
  attentionValues(p, v, y, shape);
}
