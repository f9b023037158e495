/** The divergence of models of which one part is rounded and all else is in full precision. */
import type { LinearPlace } from "../../../model/architecture.ts";
import { linearKey } from "../../../model/decoder/parameters.ts";
import type { Changes, Model } from "../../../model/model.ts";
import { divergenceOf, type FloatPredictions, type WindowDivergence } from "../../metrics/divergence.ts";
import { forEachLogProbabilities } from "../../metrics/score.ts";

/** The divergence of a model's predictions from the float model's, window by window. */
export async function divergencesOn(
  predictions: FloatPredictions,
  model: Model,
): Promise<WindowDivergence[]> {
  const found: WindowDivergence[] = [];
  await forEachLogProbabilities(model, predictions.windows, (logProbabilities, index) => {
    found[index] = predictions.compare(index, logProbabilities);
  });
  return found;
}

/** Mean KL(float || one linear layer rounded), all experts of it, in nats per token. */
export async function linearAlone(
  float: Model,
  quantized: Model,
  layer: number,
  places: readonly LinearPlace[],
  predictions: FloatPredictions,
): Promise<number> {
  const changed = places.filter(({ role, expert }) =>
    quantized.linear(layer, role, expert) !== float.linear(layer, role, expert)
  );
  if (changed.length === 0) return 0;
  const linears = new Map(
    changed.map(({ role, expert }) =>
      [linearKey(layer, role, expert), quantized.linear(layer, role, expert).retain()] as const
    ),
  );
  return await divergenceWith(
    float,
    { linears, change: { alone: { layer, role: places[0].role } } },
    predictions,
  );
}

/** Mean KL(float || the output projection, the embedding, or both rounded), in nats per token. */
export async function endsAlone(
  float: Model,
  quantized: Model,
  parts: readonly ("head" | "embedding")[],
  predictions: FloatPredictions,
): Promise<number> {
  const changes: Changes = {
    ...parts.includes("head") && { head: quantized.head.retain() },
    ...parts.includes("embedding") && { embedding: quantized.embedding },
    change: { alone: parts },
  };
  return await divergenceWith(float, changes, predictions);
}

async function divergenceWith(
  float: Model,
  changes: Changes,
  predictions: FloatPredictions,
): Promise<number> {
  using model = float.with(changes);
  return divergenceOf(await divergencesOn(predictions, model), predictions.windows).value;
}
