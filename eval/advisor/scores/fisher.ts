/**
 * The diagonal of the empirical Fisher information, the mean square of the log-likelihood's gradient, as the weight of each squared error:
 * the second order of the divergence, off the diagonal left out (Kullback, "Information theory and statistics", 1959, section 2.6; as a
 * sensitivity of weights: Kim et al., "SqueezeLLM", ICML 2024, section 4.1).
 */
import { linearKey } from "../../../model/decoder/parameters.ts";
import { linearRoles } from "../../../model/architecture.ts";
import type { Model } from "../../../model/model.ts";
import { decoderGradients } from "../../../quant/gradients/decoder.ts";
import { crossEntropyOf } from "../../../quant/gradients/loss.ts";
import type { TokenWindows } from "../../windows.ts";

/** Scores by `linearKey(layer, role)`, and of the ends of the decoder. */
export interface FisherScores {
  /** Of the linear layers. */
  readonly linears: ReadonlyMap<string, number>;
  /** Of the output projection; 0 unless asked for. */
  readonly head: number;
  /** Of the embedding; 0 unless asked for. */
  readonly embedding: number;
  /** Of both, where they are one matrix: the squares of the sum of both gradients. */
  readonly ends: number;
}

/**
 * `sum F (W - W')^2 / 2` of every linear layer, where `F` is the mean over windows of the square of the gradient of a window's log-likelihood
 * at the float weights, per predicted token: an estimate of the divergence in nats per token. Windows are the samples that the mean is over.
 */
export async function fisherScores(
  float: Model,
  quantized: Model,
  windows: TokenWindows,
  ends = false,
): Promise<FisherScores> {
  const linears = new Map<string, number>(),
    predicted = windows.reduce((sum, ids) => sum + ids.length - 1, 0);
  const of = async (gradient: Float32Array, before: Values, after: Values) =>
    before === after ? 0 : squares(gradient, await before.values(), await after.values()) / predicted / 2;
  const found = { head: 0, embedding: 0, ends: 0 };
  await decoderGradients(float, windows, (logits, i) => crossEntropyOf(logits, windows[i], 1), {
    async layer(layer, gradients) {
      for (const role of linearRoles(float.architecture)) {
        const gradient = gradients.get(role), key = linearKey(layer, role);
        if (gradient === undefined) continue;
        const score = await of(gradient, float.linear(layer, role), quantized.linear(layer, role));
        linears.set(key, (linears.get(key) ?? 0) + score);
      }
    },
    ...ends && {
      async ends(head, embedding) {
        found.head += await of(head, float.head, quantized.head);
        found.embedding += await of(embedding, float.embedding, quantized.embedding);
        const both = head.map((one, i) => one + embedding[i]);
        found.ends += await of(both, float.embedding, quantized.embedding);
      },
    },
  });
  return { linears, ...found };
}

type Values = Pick<Model["embedding"], "values">;

/** `sum (g (W - W'))^2`, in float64. */
function squares(gradient: Float32Array, before: Float32Array, after: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) sum += (gradient[i] * (before[i] - after[i])) ** 2;
  return sum;
}
