/**
 * FPTQ: int8 activations whose ranges are fixed where that is cheap, equalized where it helps, and found anew for each token where nothing
 * else does.
 *
 * Source: Li et al., "FPTQ: Fine-grained Post-Training Quantization for Large Language Models", 2023 (arXiv 2308.15987). Let `v` be the
 * largest magnitude of a linear layer's input over a calibration text. Up to `low` the input has one fixed range; between `low` and `high`
 * it is equalized by a logarithm first (LAE), where a norm before it can take the factors; else each token has its own range:
 *
 *     s_j = a_j / log2(2 + a_j),  a_j = max |X_j|,  X_j <- X_j / s_j,  W_j <- W_j s_j
 *
 * After it channel j reaches `log2(2 + a_j)`. Weights are rounded in groups beside it (`rtn`, 4 bits, 128). No code is public: this is our
 * reading of the text, as is the implementation that it is compared with.
 */
import { log2 } from "../../base/elementary.ts";
import { roundHalfEven } from "../../kernels/round.ts";
import { activationMaxima, calibratedMaxima } from "../calibration/activation_maxima.ts";
import type { MethodWith, ModelMethod, OperandMethod } from "../method.ts";
import { integer, number, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { Folding } from "../transforms/fold.ts";
import { readersBehindNorm, smoothedSites } from "./smoothquant.ts";

/** FPTQ as data: the same scheme stands under `transforms`, where it equalizes, and under `activations`, where it rounds. */
export interface Fptq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "fptq";
  /** Bits of activations, 2 to 8. */
  readonly bits: number;
  /** Inputs that reach no further have a fixed range. */
  readonly low: number;
  /** Inputs that reach this far are not equalized. */
  readonly high: number;
  /** Which inputs behind a norm are equalized: those between `low` and `high`, or all. */
  readonly equalize: "between" | "all";
  /** Which ranges are fixed: those up to `low` after equalization (`"auto"`), all (`"static"`), or none (`"token"`). */
  readonly ranges: "auto" | "static" | "token";
}

/** Options of {@linkcode fptq}. */
export type FptqOptions = Partial<Omit<Fptq, "method">>;

/** What {@linkcode fptq} accepts; `low` and `high` are the paper's. */
export const fptqOptions: OptionTable<Fptq> = {
  bits: integer(2, 8, 8),
  low: number(0, 1e6, 15),
  high: number(0, 1e6, 150),
  equalize: oneOf(["between", "all"], "between"),
  ranges: oneOf(["auto", "static", "token"], "auto"),
};

/**
 * Int8 activations by FPTQ's strategy.
 *
 * @example
 * ```ts
 * import { fptq, rtn, type Scheme } from "quantbook";
 *
 * const weights = rtn({ bits: 4, groupSize: 128, symmetric: true });
 * const scheme: Scheme = { transforms: [fptq()], weights, activations: fptq() };
 * ```
 */
export function fptq(options: FptqOptions = {}): Fptq {
  return readOptions<Fptq>("fptq", fptqOptions, options);
}

/** Factors of logarithmic activation equalization; 1 where a channel is always 0. */
export function logarithmicFactors(maxima: Float32Array): Float32Array {
  return maxima.map((a) => a === 0 ? 1 : a / log2(2 + a));
}

/** What is done for an input whose largest magnitude over a calibration text is `v`; `foldable` if a norm before it can take factors. */
export function strategyOf(
  v: number,
  foldable: boolean,
  { low, high }: Pick<Fptq, "low" | "high">,
): "static" | "lae" | "token" {
  if (v <= low) return "static";
  return foldable && v < high ? "lae" : "token";
}

/** Values rounded to int codes of a fixed range. */
export function roundFixed(values: Float32Array, v: number, bits: number): Float32Array {
  const most = 2 ** (bits - 1) - 1, scale = Math.fround(v / most);
  if (scale === 0) return values;
  return values.map((value) =>
    Math.max(-most, Math.min(most, roundHalfEven(Math.fround(value / scale)))) * scale
  );
}

const largest = (maxima: Float32Array) => maxima.reduce((most, one) => Math.max(most, one), 0);

const transform: ModelMethod<Fptq> = {
  async apply(model, scheme, context) {
    const maxima = await activationMaxima(
      model,
      context.calibration("fptq"),
      smoothedSites,
      context.finished,
    );
    const folding = new Folding(model);
    for (let layer = 0; layer < model.architecture.layers; layer++) {
      for (const site of smoothedSites) {
        const seen = maxima.get(`${layer}.${site}`);
        if (seen === undefined || readersBehindNorm(model, site).length === 0) continue;
        const v = largest(seen);
        if (scheme.equalize === "between" && strategyOf(v, true, scheme) !== "lae") continue;
        await folding.scale(layer, site, logarithmicFactors(seen));
      }
    }
    return folding.apply(scheme);
  },
};

const operand: OperandMethod<Fptq> = {
  apply(device, x, { rows, columns }, { bits }) {
    device.fakeQuantize(x, x, { bits, mode: "symmetric", zeroInRange: true }, { rows, columns, axis: "row" });
  },
  async calibrate(model, scheme, context) {
    if (scheme.ranges === "token") return null;
    const { device } = model;
    const maximaAt = await calibratedMaxima(model, "fptq", context);
    return async (x, view, place) => {
      const v = largest(maximaAt(place));
      // What was equalized lies within low, and what lies beyond could not be.
      if (scheme.ranges === "auto" && strategyOf(v, false, scheme) === "token") {
        return operand.apply(device, x, view, scheme);
      }
      device.write(x, roundFixed(await device.read(x, 0, view.rows * view.columns), v, scheme.bits));
    };
  },
};

/** FPTQ, for the registry. */
export const fptqMethod: MethodWith<{ transform: ModelMethod<Fptq>; operand: OperandMethod<Fptq> }> = {
  name: "fptq",
  paper: {
    title: "FPTQ: Fine-grained Post-Training Quantization for Large Language Models",
    authors: "Li et al. 2023",
    link: "https://arxiv.org/abs/2308.15987",
  },
  options: fptqOptions,
  parse: (options) => fptq(options),
  cost: { calibrates: true },
  transform,
  operand,
};
