/**
 * KVQuant (Hooper et al., NeurIPS 2024): the key-value cache in 2 to 4 bits. Keys are quantized per channel and before
 * rotary positions mix their channels (sections 3.1 and 3.2), with thresholds found offline; values per token, with
 * thresholds found on the fly. Codes index a non-uniform codebook, placed by k-means in which each sample counts as
 * much as the loss feels it (section 3.3). The largest 1% of values are kept apart in full precision (section 3.4), and
 * so is the first token, which attention uses as a sink (section 3.5).
 */
import type { Model } from "../../model/model.ts";
import { KvQuantCache, type KvQuantCacheSettings, type LayerQuantizers } from "../caches/kvquant.ts";
import { fitLayer } from "./kvquant/calibration.ts";
import { type KvQuantCalibrationSettings, layerSamples } from "./kvquant/samples.ts";
import type { MethodWith, ModelMethod } from "../method.ts";
import { SchemeError } from "../error.ts";
import { flag, integer, number, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";

/** KVQuant as data. */
export interface KvQuant extends SuiteScheme, KvQuantCacheSettings, KvQuantCalibrationSettings {
  /** Tag of the method. */
  readonly method: "kvquant";
}

/** Options of {@linkcode kvquant}. */
export type KvQuantOptions = Partial<Omit<KvQuant, keyof SuiteScheme>>;

/** What {@linkcode kvquant} accepts. */
export const kvquantOptions: OptionTable<KvQuant> = {
  bits: integer(1, 8, 4),
  nonUniform: flag(true),
  weighting: oneOf(["fisher", "none"], "fisher"),
  sparsity: number(0, 0.5, 0.01),
  firstTokens: integer(0, 1 << 20, 1),
  firstTokensOf: oneOf(["sequence", "pass"], "sequence"),
  prefill: oneOf(["quantized", "full"], "quantized"),
  keys: oneOf(["beforeRotary", "afterRotary"], "beforeRotary"),
  qNorm: flag(false),
  samples: integer(1, 1 << 16, 16),
  calibrationTokens: oneOf(["quantized", "all"], "quantized"),
  storage: oneOf(["float16", "float32"], "float16"),
  execution: oneOf(["packed", "simulated"], "packed"),
};

/**
 * A key-value cache with non-uniform codebooks and sparse outliers.
 *
 * @example
 * ```ts
 * import { kvquant } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const { sparsity, firstTokens, weighting } = kvquant({ bits: 3 });
 * assertEquals([sparsity, firstTokens, weighting], [0.01, 1, "fisher"]);
 * ```
 */
export function kvquant(options: KvQuantOptions = {}): KvQuant {
  return readOptions("kvquant", kvquantOptions, options);
}

/** A model whose cache uses the given codebooks and thresholds, one entry per layer. */
export async function withKvQuant(
  model: Model,
  scheme: KvQuant,
  quantizers: readonly LayerQuantizers[],
): Promise<Model> {
  const { windowPositions, unrotatedLayers, positions, family } = model.architecture;
  const stretched = positions.kind === "rotary" && positions.scaling?.kind === "longrope";
  if (scheme.keys === "beforeRotary" && (windowPositions || unrotatedLayers || stretched)) {
    throw new SchemeError(
      "combination",
      `kvquant: keys is "beforeRotary", but the layers of ${family} rotate differently: expected "afterRotary"`,
    );
  }
  const { rotary } = await model.context();
  const cache = (capacity: number) => new KvQuantCache(model, scheme, quantizers, rotary, capacity);
  return model.with({ cache, change: scheme });
}

const kv: ModelMethod<KvQuant> = {
  async apply(model, scheme, context) {
    const windows = context.calibration("kvquant").slice(0, scheme.samples);
    const { finished } = context, quantizers: LayerQuantizers[] = [];
    let first = model.architecture.layers - 1;
    for (; first >= 0; first--) {
      const known = await finished?.read(`layer${first}`) as LayerQuantizers | undefined;
      if (known === undefined) break;
      quantizers[first] = known;
    }
    if (first < 0) return await withKvQuant(model, scheme, quantizers);
    const upstream = await finished?.read(`upstream${first + 1}`) as Float32Array[] | undefined;
    // Gradients that are not there are made again, from the last layer on.
    const start = upstream === undefined ? null : { layer: first, upstream };
    for await (const samples of layerSamples(model, scheme, windows, context.memory, { finished, start })) {
      const { layer, upstream } = samples;
      quantizers[layer] = fitLayer(samples, scheme);
      // The layer comes last: with it, what is needed to go on is there.
      if (layer > 0) await finished?.write(`upstream${layer}`, upstream ?? []);
      await finished?.write(`layer${layer}`, quantizers[layer]);
      await finished?.drop(`upstream${layer + 1}`);
      context.progress(`kvquant layer ${layer}`);
    }
    return await withKvQuant(model, scheme, quantizers);
  },
};

/** KVQuant, for the registry. */
export const kvquantMethod: MethodWith<{ kv: ModelMethod<KvQuant> }> = {
  name: "kvquant",
  paper: {
    title: "KVQuant: Towards 10 Million Context Length LLM Inference with KV Cache Quantization",
    authors: "Hooper et al. 2024",
    link: "https://arxiv.org/abs/2401.18079",
  },
  options: kvquantOptions,
  parse: (options) => kvquant(options),
  cost: { calibrates: true },
  kv,
};
