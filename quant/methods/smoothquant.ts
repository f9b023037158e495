/**
 * SmoothQuant (Xiao et al., ICML 2023): moves outliers of activations into the weights, where they are easier to
 * quantize. For each input channel j of the linear layers behind a norm (eq. 4):
 *
 *     s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)
 *
 * The norm's output is divided by s and the weights' columns are multiplied by it, so the model's function stays the
 * same. `alpha` is the migration strength: 0 leaves activations alone, 1 flattens them completely.
 */
import { pow } from "../../base/elementary.ts";
import { type InputSite, type LinearRole, type NormedSite, normReaders } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import type { MethodWith, ModelMethod, QuantizeContext } from "../method.ts";
import { Folding } from "../transforms/fold.ts";
import { SchemeError } from "../error.ts";
import { number, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { activationMaxima } from "../calibration/activation_maxima.ts";

/** SmoothQuant as data. */
export interface SmoothQuant extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "smoothQuant";
  /** Migration strength, 0 to 1. */
  readonly alpha: number;
}

/** What {@linkcode smoothQuant} accepts. */
export const smoothQuantOptions: OptionTable<SmoothQuant> = { alpha: number(0, 1, 0.5) };

/**
 * Smoothing with a migration strength (default 0.5).
 *
 * @example
 * ```ts
 * import { smoothQuant } from "quantbook";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(smoothQuant({ alpha: 0.55 }), { method: "smoothQuant", alpha: 0.55 });
 * assertThrows(() => smoothQuant({ alpha: 1.5 }));
 * ```
 */
export function smoothQuant(options: { readonly alpha?: number } = {}): SmoothQuant {
  return readOptions("smoothQuant", smoothQuantOptions, options);
}

/** Norms and the linear layers that read them: the pairs that can be smoothed. */
export const smoothedSites = ["attention", "mlp", "mixer"] as const satisfies readonly InputSite[];

/** Eq. 4 in float32, bounded below by 1e-5 as in the reference code. `weightMaxima` is over all rows of all readers. */
export function smoothingScales(
  activation: Float32Array,
  weightMaxima: Float32Array,
  alpha: number,
): Float32Array {
  const f32 = Math.fround;
  return activation.map((a, j) =>
    Math.max(1e-5, f32(f32(pow(a, alpha)) / f32(pow(Math.max(1e-5, weightMaxima[j]), 1 - alpha))))
  );
}

/** Largest magnitude of each column over the rows of several weights `[out, in]`. */
export function columnMaxima(weights: readonly Float32Array[], columns: number): Float32Array {
  const maxima = new Float32Array(columns);
  for (const weight of weights) {
    for (let i = 0; i < weight.length; i++) {
      maxima[i % columns] = Math.max(maxima[i % columns], Math.abs(weight[i]));
    }
  }
  return maxima;
}

/** The linear layers behind the norm of a site; none where the norm feeds other things too, or was smoothed already. */
export function readersBehindNorm({ architecture }: Model, site: NormedSite): LinearRole[] {
  const shared = architecture.attentionNorm.weight === architecture.mlpNorm.weight;
  return site === "mlp" && shared ? [] : normReaders(architecture, site);
}

const transform: ModelMethod<SmoothQuant> = {
  stateSpace: true,
  async apply(model, scheme, context) {
    const maxima = await maximaOf(model, context);
    const folding = new Folding(model);
    const sites = smoothedSites.filter((site) => readersBehindNorm(model, site).length > 0);
    if (sites.length === 0) {
      throw new SchemeError("pair", `smoothQuant: no norm of ${model.name} feeds linear layers alone`);
    }
    for (let layer = 0; layer < model.architecture.layers; layer++) {
      for (const site of sites) {
        const weights = await Promise.all(
          readersBehindNorm(model, site).map((role) => folding.weight(layer, role)),
        );
        const activation = maxima.get(`${layer}.${site}`);
        if (activation === undefined) {
          throw new SchemeError("pair", `smoothQuant: no inputs seen at ${layer}.${site}`);
        }
        const scales = smoothingScales(activation, columnMaxima(weights, activation.length), scheme.alpha);
        await folding.scale(layer, site, scales);
      }
    }
    return folding.apply(scheme);
  },
};

/** A sweep over `alpha` needs one scan; the model's hash covers the calibration windows. */
async function maximaOf(
  model: Model,
  { calibration, memory, finished }: QuantizeContext,
): Promise<Map<string, Float32Array>> {
  const windows = calibration("smoothQuant"), key = `activation maxima ${await model.hash()}`;
  const known = memory.get(key) as Map<string, Float32Array> | undefined;
  const maxima = known ?? await activationMaxima(model, windows, smoothedSites, finished);
  memory.set(key, maxima, 4 * maxima.values().reduce((sum, { length }) => sum + length, 0));
  return maxima;
}

/** SmoothQuant, for the registry. */
export const smoothQuantMethod: MethodWith<{ transform: ModelMethod<SmoothQuant> }> = {
  name: "smoothQuant",
  paper: {
    title: "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
    authors: "Xiao et al. 2023",
    link: "https://arxiv.org/abs/2211.10438",
  },
  options: smoothQuantOptions,
  parse: (options) => smoothQuant(options),
  cost: { calibrates: true },
  transform,
};
