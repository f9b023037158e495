/**
 * SmoothQuant (Xiao et al., ICML 2023): moves outliers of activations into the weights, where they are easier to
 * quantize. For each input channel j of the linear layers behind a norm (eq. 4):
 *
 *     s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)
 *
 * The norm's output is divided by s and the weights' columns are multiplied by it, so the model's function stays the
 * same. `alpha` is the migration strength: 0 leaves activations alone, 1 flattens them completely.
 */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { type InputSite, type LinearRole, normReaders, tensorName } from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import { denseLinear, type Linear, type Parameter, vectorParameter } from "../../model/decoder/parameter.ts";
import type { Method, ModelMethod } from "../method.ts";
import { requireKnown, requireNumber, SchemeError } from "../error.ts";
import { scanOnce } from "../calibration/activation_maxima.ts";

/** SmoothQuant as data. */
export interface SmoothQuant {
  /** Tag of the method. */
  readonly method: "smoothQuant";
  /** Migration strength, 0 to 1. */
  readonly alpha: number;
}

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
  requireKnown("smoothQuant", options, ["method", "alpha"]);
  const { alpha = 0.5 } = options;
  requireNumber("alpha", alpha, 0, 1);
  return { method: "smoothQuant", alpha };
}

/** Norms and the linear layers that read them: the pairs that can be smoothed. */
export const smoothedSites = ["attention", "mlp"] as const satisfies readonly InputSite[];

/** Eq. 4 in float32, bounded below by 1e-5 as in the reference code. `weightMaxima` is over all rows of all readers. */
export function smoothingScales(
  activation: Float32Array,
  weightMaxima: Float32Array,
  alpha: number,
): Float32Array {
  const f32 = Math.fround;
  return activation.map((a, j) =>
    Math.max(1e-5, f32(f32(a ** alpha) / f32(Math.max(1e-5, weightMaxima[j]) ** (1 - alpha))))
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

/** Divides a norm's output by `scales` and multiplies the columns of its readers by them. */
export async function rescale(
  model: Model,
  layer: number,
  site: "attention" | "mlp",
  scales: Float32Array,
  linears: Map<string, Parameter<Linear>>,
  vectors: Map<string, Parameter<DeviceBuffer>>,
): Promise<void> {
  const { architecture, device } = model;
  const norm = site === "attention" ? architecture.attentionNorm : architecture.mlpNorm;
  for (const template of [norm.weight, norm.bias]) {
    if (template === undefined) continue;
    const name = tensorName(template, layer);
    const scaled = (await model.vector(name).values()).map((value, j) => value / scales[j]);
    vectors.set(name, vectorParameter(device, name, () => Promise.resolve(scaled), [scaled.length]));
  }
  for (const role of readers(model, site)) {
    const old = model.linear(layer, role);
    const [out, columns] = old.shape;
    const scaled = (await old.values()).map((value, i) => value * scales[i % columns]);
    const values = () => Promise.resolve(scaled);
    linears.set(
      linearKey(layer, role),
      denseLinear(device, old.name, [out, columns], values, model.bias(layer, role)),
    );
  }
}

/** The linear layers behind the norm of a site; none where the norm feeds other things too, or was smoothed already. */
function readers({ architecture }: Model, site: "attention" | "mlp"): LinearRole[] {
  const shared = architecture.attentionNorm.weight === architecture.mlpNorm.weight;
  return site === "mlp" && shared ? [] : normReaders(architecture, site);
}

const transform: ModelMethod<SmoothQuant> = {
  async apply(model, scheme, context) {
    const maxima = await scanOnce(model, context.calibration("smoothQuant"));
    const linears = new Map<string, Parameter<Linear>>();
    const vectors = new Map<string, Parameter<DeviceBuffer>>();
    const sites = smoothedSites.filter((site) => readers(model, site).length > 0);
    if (sites.length === 0) {
      throw new SchemeError("pair", `smoothQuant: no norm of ${model.name} feeds linear layers alone`);
    }
    for (let layer = 0; layer < model.architecture.layers; layer++) {
      for (const site of sites) {
        const weights = await Promise.all(
          readers(model, site).map((role) => model.linear(layer, role).values()),
        );
        const activation = maxima.get(`${layer}.${site}`);
        if (activation === undefined) {
          throw new SchemeError("pair", `smoothQuant: no inputs seen at ${layer}.${site}`);
        }
        const scales = smoothingScales(activation, columnMaxima(weights, activation.length), scheme.alpha);
        await rescale(model, layer, site, scales, linears, vectors);
      }
    }
    return model.with({ linears, vectors, change: scheme });
  },
};

/** SmoothQuant, for the registry. */
export const smoothQuantMethod = {
  name: "smoothQuant",
  parse: (options) => smoothQuant(options),
  transform,
} satisfies Method;
