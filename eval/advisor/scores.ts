/**
 * What rounding one linear layer costs, by scores that a budget can be shared out by: each is about one layer alone, and is added up over
 * layers as if they did not know of one another.
 */
import { subtractProduct } from "../../kernels/cpu/float64.ts";
import { layerLinears, type LinearPlace, type LinearRole } from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import { quantizeLayerwise } from "../../quant/calibration/layerwise.ts";
import type { InputStatistics } from "../../quant/method.ts";
import type { WeightScheme } from "../../quant/registry.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import { divergenceOf, type FloatPredictions, type WindowDivergence } from "../metrics/divergence.ts";
import { forEachLogProbabilities } from "../metrics/score.ts";
import type { TokenWindows } from "../windows.ts";

/** What a linear layer is scored by. */
export type ScoreName = "noise" | "hessian" | "divergence";

/** All scores. */
export const scoreNames: readonly ScoreName[] = ["noise", "hessian", "divergence"];

/** One linear layer (all experts of it) as one candidate rounds it. */
export interface Sensitivity {
  /** Index of the decoder layer. */
  readonly layer: number;
  /** Which linear layer. */
  readonly role: LinearRole;
  /** The candidate. */
  readonly weights: WeightScheme;
  /** Bytes that it takes so: codes, scales, zero points, all else. */
  readonly bytes: number;
  /** By score; of each, less is better. */
  readonly scores: {
    /** `sum (W - W')^2 / sum W^2`: the inverse of the signal-to-noise ratio. */
    readonly noise: number;
    /** `tr((W - W') X^T X (W - W')^T)` per calibration token: the squared error of its output (Hassibi & Stork 1993; GPTQ, section 3). */
    readonly hessian: number;
    /** Mean KL(float || this layer alone rounded), in nats per token of the scoring text. */
    readonly divergence: number;
  };
}

/** What scores are computed on. */
export interface ScoringText {
  /** Windows whose inputs weigh errors. */
  readonly calibration: TokenWindows;
  /** The float model's predictions on the windows of the scoring text. */
  readonly predictions: FloatPredictions;
}

/** Scores of every linear layer, rounded as in `quantized`; one layer's weights and statistics are in memory at a time. */
export async function sensitivities(
  float: Model,
  quantized: Model,
  weights: WeightScheme,
  { calibration, predictions }: ScoringText,
  onLayer: () => void = () => {},
): Promise<Sensitivity[]> {
  const errors = new Map<string, Errors>();
  // The float model runs on: what stands in the place of a layer is that layer.
  await quantizeLayerwise(float, calibration, {
    needed: () => true,
    sequential: () => false,
    async quantize(layer, place, input) {
      const key = linearKey(layer, place.role), sum = errors.get(key) ?? { signal: 0, noise: 0, hessian: 0 };
      errors.set(key, added(sum, await errorsOf(float, quantized, layer, place, input)));
      return float.linear(layer, place.role, place.expert);
    },
  });
  const bytes = new Map<string, number>();
  for (const part of sizes(quantized).parts) {
    if (part.kind !== "linear" || part.layer === null || part.role === null) continue;
    const key = linearKey(part.layer, part.role);
    bytes.set(key, (bytes.get(key) ?? 0) + part.bytes);
  }
  const found: Sensitivity[] = [];
  for (let layer = 0; layer < float.architecture.layers; layer++) {
    const places = layerLinears(float.architecture, layer);
    for (const role of new Set(places.map((place) => place.role))) {
      const key = linearKey(layer, role), { signal, noise, hessian } = errors.get(key) ?? nothing;
      const scores = {
        noise: signal === 0 ? 0 : noise / signal,
        hessian,
        divergence: await alone(
          float,
          quantized,
          places.filter((one) => one.role === role),
          layer,
          predictions,
        ),
      };
      found.push({ layer, role, weights, bytes: bytes.get(key) ?? 0, scores });
    }
    onLayer();
  }
  return found;
}

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

interface Errors {
  readonly signal: number;
  readonly noise: number;
  readonly hessian: number;
}

const nothing: Errors = { signal: 0, noise: 0, hessian: 0 };

const added = (a: Errors, b: Errors): Errors => ({
  signal: a.signal + b.signal,
  noise: a.noise + b.noise,
  hessian: a.hessian + b.hessian,
});

/** Errors of one matrix, summed in float64. */
async function errorsOf(
  float: Model,
  quantized: Model,
  layer: number,
  { role, expert }: LinearPlace,
  input: InputStatistics | null,
): Promise<Errors> {
  const original = float.linear(layer, role, expert), [rows, columns] = original.shape;
  const before = await original.values(), after = await quantized.linear(layer, role, expert).values();
  const difference = new Float64Array(before.length);
  let signal = 0, noise = 0;
  for (let i = 0; i < before.length; i++) {
    difference[i] = before[i] - after[i];
    signal += before[i] ** 2;
    noise += difference[i] ** 2;
  }
  if (input === null || noise === 0) return { signal, noise, hessian: 0 };
  return { signal, noise, hessian: weighted(difference, input.gram, rows, columns) / input.tokens };
}

/** `tr(D G D^T)` of `D` `[rows, columns]` and `G` `[columns, columns]`, in float64 in an order that the shapes alone decide. */
export function weighted(
  difference: Float64Array,
  gram: Float64Array,
  rows: number,
  columns: number,
): number {
  const product = new Float64Array(difference.length);
  const block = (data: Float64Array) => ({ data, start: 0, stride: columns });
  subtractProduct(block(product), block(difference), block(gram), rows, columns, columns);
  let sum = 0;
  for (let i = 0; i < product.length; i++) sum -= product[i] * difference[i];
  return sum;
}

/** The divergence with one linear layer rounded and all else in full precision. */
async function alone(
  float: Model,
  quantized: Model,
  places: readonly LinearPlace[],
  layer: number,
  predictions: FloatPredictions,
): Promise<number> {
  const changed = places.map(({ role, expert }) => quantized.linear(layer, role, expert));
  if (changed.every(({ isOriginal }) => isOriginal)) return 0;
  const linears = new Map(
    places.map(({ role, expert }, i) => [linearKey(layer, role, expert), changed[i].retain()]),
  );
  using model = float.with({ linears, change: { alone: { layer, role: places[0].role } } });
  return divergenceOf(await divergencesOn(predictions, model), predictions.windows).value;
}
