/**
 * What each linear layer adds to the divergence when all of them move together from the float to the rounded weights: Aumann and Shapley's
 * price ("Values of non-atomic games", 1974; of a function's inputs: Sundararajan et al., "Axiomatic attribution for deep networks", ICML
 * 2017), which is the only one of the scores that adds up: the sum over layers is the divergence of the model with all of them rounded.
 *
 * Along the straight line `W(s) = W + s (W' - W)` a layer's price is the integral over `s` from 0 to 1 of the divergence's gradient times
 * `W' - W`. A few passes forth and back give the prices of all layers, as many as there are nodes; Shapley's own value, the mean over orders
 * in which layers are rounded one after another, would take as many passes as there are layers for each order that is drawn.
 */
import { exp, log } from "../../../base/elementary.ts";
import { layerLinears, linearRoles, linearShape } from "../../../model/architecture.ts";
import { denseLinear, type Linear, type Parameter } from "../../../model/decoder/parameter.ts";
import { linearKey } from "../../../model/decoder/parameters.ts";
import type { Model } from "../../../model/model.ts";
import { decoderGradients } from "../../../quant/gradients/decoder.ts";
import type { FloatPredictions } from "../../metrics/divergence.ts";

/** Nodes and weights of Gauss and Legendre's rule on `[0, 1]`, exact for polynomials up to degree 7. */
export const nodes: readonly (readonly [share: number, weight: number])[] = [
  [0.3399810435848563, 0.6521451548625461],
  [0.8611363115940526, 0.3478548451374538],
].flatMap(([x, w]) => [[(1 - x) / 2, w / 2], [(1 + x) / 2, w / 2]] as const);

/** Prices by `linearKey(layer, role)`, in nats per token of the scoring text. Where a layer's error makes up for others', its price is below 0. */
export async function shapleyScores(
  float: Model,
  quantized: Model,
  predictions: FloatPredictions,
): Promise<Map<string, number>> {
  const prices = new Map<string, number>(), { windows } = predictions;
  const tokens = windows.reduce((sum, { length }) => sum + length, 0);
  for (const [share, weight] of nodes) {
    using model = between(float, quantized, share);
    await decoderGradients(
      model,
      windows,
      (logits, i) => divergenceGradient(logits, predictions.logProbabilities(i), windows[i].length, tokens),
      {
        async layer(layer, gradients) {
          for (const role of linearRoles(float.architecture)) {
            const gradient = gradients.get(role), key = linearKey(layer, role);
            const before = float.linear(layer, role), after = quantized.linear(layer, role);
            if (gradient === undefined || before === after) continue;
            const slope = along(gradient, await before.values(), await after.values());
            prices.set(key, (prices.get(key) ?? 0) + weight * slope);
          }
        },
      },
    );
  }
  return prices;
}

/** The model a share of the way from the float weights to the rounded ones; its values are made when they are read. */
function between(float: Model, quantized: Model, share: number): Model {
  const { architecture, device } = float, linears = new Map<string, Parameter<Linear>>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const { role } of layerLinears(architecture, layer)) {
      const before = float.linear(layer, role), after = quantized.linear(layer, role);
      if (before === after) continue;
      const values = async () => {
        const from = await before.values(), to = await after.values();
        return from.map((value, i) => value + share * (to[i] - value));
      };
      const shape = linearShape(architecture, role), bias = float.bias(layer, role);
      linears.set(linearKey(layer, role), denseLinear(device, before.name, shape, values, bias));
    }
  }
  return float.with({ linears, change: { between: share } });
}

/** `<g, W' - W>`, in float64. */
function along(gradient: Float32Array, before: Float32Array, after: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) sum += gradient[i] * (after[i] - before[i]);
  return sum;
}

/**
 * The divergence of one window's logits `[rows, vocabulary]` from the float model's log-probabilities, as a share of the mean over `tokens`;
 * logits become its gradient, `(q - p) / tokens`.
 */
export function divergenceGradient(
  logits: Float32Array,
  reference: Float32Array,
  rows: number,
  tokens: number,
): number {
  const width = logits.length / rows;
  let sum = 0;
  for (let start = 0; start < logits.length; start += width) {
    let most = -Infinity, total = 0;
    for (let i = start; i < start + width; i++) most = Math.max(most, logits[i]);
    for (let i = start; i < start + width; i++) total += exp(logits[i] - most);
    const shift = most + log(total);
    for (let i = start; i < start + width; i++) {
      const logQ = logits[i] - shift, p = exp(reference[i]);
      if (p > 0) sum += p * (reference[i] - logQ);
      logits[i] = (exp(logQ) - p) / tokens;
    }
  }
  return sum / tokens;
}
