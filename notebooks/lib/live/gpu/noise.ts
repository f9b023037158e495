/** How far the sums of another device may move a perplexity: draws of the CPU's own with noise of that size. */
import { PythonRandom } from "../../../../base/random.ts";
import { log } from "../../../../base/elementary.ts";
import type { Model } from "../../../../model/model.ts";

/** Draws, and the 99.5th percentile of Student's t with one degree of freedom less. */
export const draws = 4, quantile = 5.841;

/**
 * A model that reads its weights' inputs with noise, uniform in `1 ± 2^-24 sqrt(n)`, `n` terms a sum. A sum of `n` terms of size s rounds
 * partial sums of size `s sqrt(k)`, each by up to half an ulp: a variance of `2^-48 s^2 n^2 / 6`; two devices that sum in two orders differ
 * by twice that. Noise of this size in every term has the same, `2^-48 s^2 n^2 / 3`. Schemes that rewrite a model take none that is rewritten
 * on the fly: there the embedding has the noise of all layers' four inputs at once.
 */
export function noisy(model: Model, seed: number, rewritten: boolean): Model {
  const random = new PythonRandom(seed), { device, architecture } = model;
  const factor = (size: number) => 1 + size * (2 * random.random() - 1);
  if (rewritten) {
    const { name, shape } = model.embedding, { hiddenSize, layers } = architecture;
    const size = 2 ** -24 * Math.sqrt(hiddenSize * 4 * layers);
    let values: Promise<Float32Array> | undefined;
    const read = async () => (await model.embedding.values()).map((value) => value * factor(size));
    return model.with({
      embedding: { name, shape, values: () => values ??= read() },
      change: { noise: seed },
    });
  }
  return model.with({
    interventions: [{
      input(x, { columns }) {
        const size = 2 ** -24 * Math.sqrt(columns);
        using factors = device.upload(Float32Array.from({ length: x.length }, () => factor(size)));
        device.multiply(x, factors);
      },
    }],
    change: { noise: seed },
  });
}

/** What the draws say of one more: where its logarithm lies in 99 of 100 cases, as relative differences from `value`. */
export function intervalOf(value: number, found: readonly number[]): readonly [low: number, high: number] {
  const logs = found.map((one) => log(one / value)), mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
  const variance = logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (logs.length - 1);
  const half = quantile * Math.sqrt(variance * (1 + 1 / logs.length));
  return [mean - half, mean + half];
}
