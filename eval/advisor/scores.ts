/**
 * What rounding a part of a model costs, by scores that a budget can be shared out by: each is added up over parts as if they did not know
 * of one another.
 */
import { layerLinears } from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import type { WeightScheme } from "../../quant/registry.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import { linearAlone } from "./scores/alone.ts";
import { layerErrors, noErrors } from "./scores/errors.ts";
import { fisherScores } from "./scores/fisher.ts";
import { only, type ScoreName, type ScoringText, type Sensitivity } from "./scores/sensitivity.ts";
import { shapleyScores } from "./scores/shapley.ts";

/** Scores of every linear layer, rounded as in `quantized`; one layer's weights, statistics and gradients are in memory at a time. */
export async function sensitivities(
  float: Model,
  quantized: Model,
  weights: WeightScheme | "float",
  { calibration, predictions, scores }: ScoringText,
  onLayer: () => void = () => {},
): Promise<Sensitivity[]> {
  const bytes = linearBytes(quantized),
    asked = (...names: ScoreName[]) => names.some((name) => scores.includes(name));
  const rounded = weights !== "float";
  const errors = rounded && asked("noise", "hessian")
    ? await layerErrors(float, quantized, asked("hessian") ? calibration : [])
    : null;
  const fisher = rounded && asked("fisher")
    ? (await fisherScores(float, quantized, predictions.windows)).linears
    : null;
  const shapley = rounded && asked("shapley") ? await shapleyScores(float, quantized, predictions) : null;
  const found: Sensitivity[] = [];
  for (let layer = 0; layer < float.architecture.layers; layer++) {
    const places = layerLinears(float.architecture, layer);
    for (const role of new Set(places.map((place) => place.role))) {
      const key = linearKey(layer, role), { signal, noise, hessian } = errors?.get(key) ?? noErrors;
      const own = places.filter((one) => one.role === role);
      const all = {
        noise: signal === 0 ? 0 : noise / signal,
        hessian,
        fisher: fisher?.get(key) ?? 0,
        divergence: asked("divergence") ? await linearAlone(float, quantized, layer, own, predictions) : 0,
        shapley: shapley?.get(key) ?? 0,
      };
      found.push({ layer, role, weights, bytes: bytes.get(key) ?? 0, scores: only(all, scores) });
    }
    onLayer();
  }
  return found;
}

/** Bytes of every linear layer by `linearKey(layer, role)`, experts together. */
function linearBytes(model: Model): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const part of sizes(model).parts) {
    if (part.kind !== "linear" || part.layer === null || part.role === null) continue;
    const key = linearKey(part.layer, part.role);
    bytes.set(key, (bytes.get(key) ?? 0) + part.bytes);
  }
  return bytes;
}
