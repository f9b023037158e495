/**
 * KIVI (Liu et al., ICML 2024): the key-value cache in 2 or 4 bits without tuning. Keys have outlier channels, so they
 * are quantized per channel, in groups of tokens; values have none, so they are quantized per token, in groups of
 * channels. The last tokens stay in full precision (section 3.3).
 */
import { ModelError } from "../../model/error.ts";
import type { MethodWith, ModelMethod } from "../method.ts";
import { KiviCache, type KiviSettings } from "../caches/kivi.ts";
import { SchemeError } from "../error.ts";
import { integer, oneOf, type OptionTable, readOptions, refused, type SuiteScheme } from "../options.ts";

/** KIVI as data. */
export interface Kivi extends SuiteScheme, KiviSettings {
  /** Tag of the method. */
  readonly method: "kivi";
}

/** Options of {@linkcode kivi}. */
export type KiviOptions = Partial<Omit<Kivi, keyof SuiteScheme>> & {
  /** Bits of keys and values; `keyBits` and `valueBits` override it. */
  readonly bits?: number;
};

/** What {@linkcode kivi} accepts; `bits` gives both `keyBits` and `valueBits`. */
export const kiviOptions: OptionTable<Kivi> = {
  keyBits: integer(1, 8, 2),
  valueBits: integer(1, 8, 2),
  groupSize: integer(1, 1 << 16, 32),
  residualLength: integer(1, 1 << 20, 128),
  prefill: oneOf(["quantized", "full"], "quantized"),
  keyAxis: oneOf(["channel", "token"], "channel"),
  precision: oneOf(["float16", "float32"], "float16"),
  execution: oneOf(["packed", "simulated"], "packed"),
};

/**
 * A quantized key-value cache.
 *
 * @example
 * ```ts
 * import { kivi } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const { keyBits, groupSize, residualLength } = kivi({ bits: 2 });
 * assertEquals([keyBits, groupSize, residualLength], [2, 32, 128]);
 * ```
 */
export function kivi({ bits, ...options }: KiviOptions = {}): Kivi {
  const both = bits === undefined ? {} : { keyBits: bits, valueBits: bits };
  const scheme = readOptions("kivi", kiviOptions, { ...both, ...options });
  if (scheme.residualLength % scheme.groupSize !== 0) {
    throw refused("residualLength", scheme.residualLength, `a multiple of groupSize (${scheme.groupSize})`);
  }
  return scheme;
}

const kv: ModelMethod<Kivi> = {
  apply(model, scheme) {
    const { layers, kvHeads, headDim, maxPositions } = model.architecture;
    if (headDim % scheme.groupSize !== 0) {
      throw new SchemeError(
        "shape",
        `groupSize ${scheme.groupSize} does not divide ${headDim} dimensions of a head`,
      );
    }
    // Quantizers of attention operands act on dense keys and values.
    const dense = model.interventions.some((one) => one.query ?? one.key ?? one.value ?? one.scores);
    const settings = dense ? { ...scheme, execution: "simulated" as const } : scheme;
    const cache = (capacity: number) => {
      if (capacity > maxPositions) {
        throw new ModelError(
          "positions",
          `a cache of ${capacity} tokens is too long: ${model.name} has ${maxPositions} positions`,
        );
      }
      return new KiviCache(model.device, settings, { layers, width: kvHeads * headDim, capacity });
    };
    return Promise.resolve(model.with({ cache, change: scheme }));
  },
};

/** KIVI, for the registry. */
export const kiviMethod: MethodWith<{ kv: ModelMethod<Kivi> }> = {
  name: "kivi",
  short: "bits",
  paper: {
    title: "KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache",
    authors: "Liu et al. 2024",
    link: "https://arxiv.org/abs/2402.02750",
  },
  options: kiviOptions,
  parse: (options) => kivi(options),
  kv,
};
