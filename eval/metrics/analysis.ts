/**
 * What quantization does inside a model: signal-to-noise ratio and squared error of weights, inputs and outputs of each
 * linear layer, the shape of their distributions, and how far the inputs of two models have moved apart.
 */
import { log10 } from "../../base/elementary.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import {
  type InputSite,
  layerRoles,
  type LinearRole,
  linearShape,
  siteColumns,
  siteOfRole,
} from "../../model/architecture.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import type { Model } from "../../model/model.ts";
import { bitsPerWeight, storedWeight } from "../../quant/weights/linear.ts";
import { CorpusError, requireWindows, type TokenWindows } from "../windows.ts";

/** Moments and extremes of many values. */
export interface Distribution {
  /** Arithmetic mean. */
  readonly mean: number;
  /** Standard deviation of the sample (n - 1). */
  readonly deviation: number;
  /** Excess kurtosis of the population: 0 for a normal distribution, large where outliers are. */
  readonly kurtosis: number;
  /** Largest magnitude. */
  readonly absmax: number;
}

/** How far values moved. */
export interface Distortion {
  /** Signal-to-quantization-noise ratio in decibels; infinite where nothing moved. */
  readonly sqnr: number;
  /** Mean squared difference. */
  readonly mse: number;
}

/** One linear layer of a quantized model. */
export interface LayerAnalysis {
  /** Index of the decoder layer. */
  readonly layer: number;
  /** Which linear layer. */
  readonly role: LinearRole;
  /** Its weight before quantization. */
  readonly weight: Distribution;
  /** What arrives at it in the quantized model, before the input itself is quantized. */
  readonly input: Distribution;
  /** Its weight against the reference's. */
  readonly weightError: Distortion;
  /** Its input as quantized against the input that arrives. */
  readonly inputError: Distortion;
  /** Its output against what the reference's weight gives on the input that arrives, the bias included. */
  readonly outputError: Distortion;
  /** Measured bits per weight; null where the weight is dense. */
  readonly bits: number | null;
}

/** Inputs of one site in two models. */
export interface InputDistance extends Distortion {
  /** Index of the decoder layer. */
  readonly layer: number;
  /** Which input. */
  readonly site: InputSite;
}

/**
 * Mean, deviation, kurtosis and largest magnitude, summed in float64.
 *
 * @example
 * ```ts
 * import { distributionOf } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 * const { mean, absmax, kurtosis } = distributionOf([-1, 1, -1, 1]);
 * assertEquals([mean, absmax, kurtosis], [0, 1, -2]);
 * ```
 */
export function distributionOf(values: ArrayLike<number>): Distribution {
  const n = values.length;
  let sum = 0, absmax = 0;
  for (let i = 0; i < n; i++) {
    sum += values[i];
    absmax = Math.max(absmax, Math.abs(values[i]));
  }
  const mean = sum / n;
  let second = 0, fourth = 0;
  for (let i = 0; i < n; i++) {
    const square = (values[i] - mean) ** 2;
    second += square;
    fourth += square * square;
  }
  return { mean, deviation: Math.sqrt(second / (n - 1)), kurtosis: n * fourth / second ** 2 - 3, absmax };
}

/**
 * Distortion of `changed` against `original`: `10 log10(sum a^2 / sum (a - b)^2)` and the mean of `(a - b)^2`.
 *
 * @throws {CorpusError} `length` when they are not of one length
 *
 * @example
 * ```ts
 * import { distortionOf } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 * assertEquals(distortionOf([10, 0], [9, 0]), { sqnr: 20, mse: 0.5 });
 * ```
 */
export function distortionOf(original: ArrayLike<number>, changed: ArrayLike<number>): Distortion {
  if (original.length !== changed.length) {
    throw new CorpusError("length", `original has ${original.length} values and changed ${changed.length}`);
  }
  let signal = 0, noise = 0;
  for (let i = 0; i < original.length; i++) {
    signal += original[i] ** 2;
    noise += (original[i] - changed[i]) ** 2;
  }
  return { sqnr: noise === 0 ? Infinity : 10 * log10(signal / noise), mse: noise / original.length };
}

/**
 * Every linear layer of a quantized model against the model it was made from.
 *
 * Source: the analysis of the reference code (SPEC section 12.5), with biases and without infinities where errors cancel.
 *
 * @throws {CorpusError} when the windows do not fit the model
 *
 * @example
 * ```ts
 * import { corpus, loadModel, quantize, rtn } from "quantbook";
 * import { analyzeLayers } from "quantbook/eval";
 * import { assert } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * using quantized = await quantize(model, { weights: rtn({ bits: 4 }) });
 * const layers = await analyzeLayers(quantized, model, await corpus("sotu", { windows: 1, length: 64 }));
 * assert(layers.every(({ weightError, bits }) => weightError.sqnr > 10 && bits !== null && bits > 4));
 * ```
 */
export async function analyzeLayers(
  model: Model,
  reference: Model,
  windows: TokenWindows,
): Promise<LayerAnalysis[]> {
  requireWindows(windows, model);
  const { architecture, device } = model;
  const arriving = await inputsOf(model, windows, "before");
  const entering = await inputsOf(model, windows, "after");
  const found: LayerAnalysis[] = [];
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const role of layerRoles(architecture, layer)) {
      const key = `${layer}.${siteOfRole(role)}`;
      const [x, quantizedX] = [arriving.get(key), entering.get(key)];
      if (x === undefined || quantizedX === undefined) continue;
      const [out, inputs] = linearShape(architecture, role);
      const rows = x.length / inputs;
      const run = async (from: Model, values: Float32Array) => {
        using input = device.upload(values);
        using output = device.allocate(rows * out);
        await (await from.linear(layer, role).load()).run(input, output, rows);
        return await device.read(output);
      };
      const weight = await reference.linear(layer, role).values();
      const packed = storedWeight(model, layer, role);
      found.push({
        layer,
        role,
        weight: distributionOf(weight),
        input: distributionOf(x),
        weightError: distortionOf(weight, await model.linear(layer, role).values()),
        inputError: distortionOf(x, quantizedX),
        outputError: distortionOf(await run(reference, x), await run(model, quantizedX)),
        bits: packed === undefined ? null : bitsPerWeight(packed),
      });
    }
  }
  return found;
}

/**
 * How far the inputs of the linear layers are from those of another model on the same text: what errors have grown to.
 *
 * @throws {CorpusError} when the windows do not fit the model
 *
 * @example
 * ```ts
 * import { corpus, loadModel, quantize, rtn } from "quantbook";
 * import { inputDistances } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * using quantized = await quantize(model, { weights: rtn({ bits: 4 }) });
 * const [first] = await inputDistances(quantized, model, await corpus("sotu", { windows: 1, length: 64 }));
 * assertEquals(first, { layer: 0, site: "attention", sqnr: Infinity, mse: 0 });
 * ```
 */
export async function inputDistances(
  model: Model,
  reference: Model,
  windows: TokenWindows,
): Promise<InputDistance[]> {
  requireWindows(windows, model);
  const ours = await inputsOf(model, windows, "before"),
    theirs = await inputsOf(reference, windows, "before");
  return [...theirs].map(([key, values]) => {
    const [layer, site] = key.split(".");
    return { layer: Number(layer), site: site as InputSite, ...distortionOf(values, ours.get(key) ?? []) };
  });
}

/**
 * Largest magnitude of each input channel of a site, over all tokens: the profile in which outlier channels stand out.
 *
 * @returns by `layer.site`, such as `"0.mlp"`
 *
 * @example
 * ```ts
 * import { corpus, loadModel } from "quantbook";
 * import { channelProfiles } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const profiles = await channelProfiles(model, await corpus("sotu", { windows: 1, length: 64 }));
 * assertEquals(profiles.get("3.down")?.length, 512);
 * ```
 */
export async function channelProfiles(
  model: Model,
  windows: TokenWindows,
): Promise<Map<string, Float32Array>> {
  requireWindows(windows, model);
  const inputs = await inputsOf(model, windows, "before");
  return new Map([...inputs].map(([key, values]) => {
    const most = new Float32Array(siteColumns(model.architecture, key.split(".")[1] as InputSite));
    for (let i = 0; i < values.length; i++) {
      most[i % most.length] = Math.max(most[i % most.length], Math.abs(values[i]));
    }
    return [key, most];
  }));
}

/** The inputs of all sites, all windows below each other, before or after the model's own quantizers. */
async function inputsOf(
  model: Model,
  windows: TokenWindows,
  when: "before" | "after",
): Promise<Map<string, Float32Array>> {
  const parts = new Map<string, Float32Array[]>();
  const observe: Intervention = {
    async input(x: DeviceBuffer, { layer, site, rows, columns }) {
      const key = `${layer}.${site}`;
      const list = parts.get(key) ?? [];
      parts.set(key, list);
      list.push(await model.device.read(x, 0, rows * columns));
    },
  };
  if (when === "before") await model.forEachLogits(windows, () => {}, [observe]);
  else {
    using observed = model.with({ interventions: [observe], change: "observed" });
    await observed.forEachLogits(windows, () => {});
  }
  return new Map([...parts].map(([key, list]) => {
    const values = new Float32Array(list.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const one of list) {
      values.set(one, at);
      at += one.length;
    }
    return [key, values];
  }));
}
