/**
 * What KVQuant calibrates on: the keys and values of each layer, and how much the loss feels each of them.
 */
import type { DeviceBuffer } from "../../../kernels/device.ts";
import { runLayer } from "../../../model/decoder.ts";
import type { Operand } from "../../../model/decoder/intervention.ts";
import type { Model } from "../../../model/model.ts";
import type { CalibrationMemory } from "../../method.ts";
import type { Finished } from "../../resumption/finished.ts";
import { type GradientStart, type KeyValueGradients, keyValueGradients } from "../../gradients/fisher.ts";
import { layerInputs } from "../../calibration/layer_inputs.ts";
import type { KvQuantCacheSettings } from "../../caches/kvquant.ts";

/** What codebooks and thresholds are fitted to, and how. */
export interface KvQuantCalibrationSettings {
  /** Codebooks fitted by k-means, or evenly spaced ones. */
  readonly nonUniform: boolean;
  /** Samples of a codebook weighted by the squared gradient of the loss, or equally. */
  readonly weighting: "fisher" | "none";
  /** Whether decoded values get the mean and deviation that the codebook's inliers had (Q-Norm, section 3.6). */
  readonly qNorm: boolean;
  /** Calibration windows that are used, from the first. */
  readonly samples: number;
  /** Tokens of each window that calibration looks at: those that will be quantized, or all (the reference code). */
  readonly calibrationTokens: "quantized" | "all";
}

/** All that calibration depends on. */
export type KvQuantSettings = KvQuantCacheSettings & KvQuantCalibrationSettings;

/** Rows `[tokens, width]` and, where they are known, the importance of each entry. */
export interface Samples {
  /** Row-major. */
  readonly rows: Float32Array;
  /** Squared gradients of the loss, the largest scaled to 1. */
  readonly weights: Float32Array | null;
  /** `kvHeads * headDim` */
  readonly width: number;
}

/** The samples of one layer, all windows together. */
export interface LayerSamples {
  /** Index of the layer. */
  readonly layer: number;
  /** Before or after positions are rotated in, as the scheme says. */
  readonly keys: Samples;
  /** One row per token. */
  readonly values: Samples;
  /** Gradients of the layer's input for each window, where samples are weighted by gradients: where another call can go on. */
  readonly upstream: readonly Float32Array[] | null;
}

/** Where samples are kept, and where they go on; both nowhere when null. */
export interface SamplesStart {
  /** Of inputs of layers. */
  readonly finished: Finished | null;
  /** The first layer that is wanted. */
  readonly start: GradientStart | null;
}

/** Samples of all layers, from the last to the first, as gradients come. */
export async function* layerSamples(
  model: Model,
  scheme: KvQuantSettings,
  windows: readonly Int32Array[],
  memory: CalibrationMemory | null = null,
  from: SamplesStart = { finished: null, start: null },
): AsyncGenerator<LayerSamples> {
  const weighted = scheme.nonUniform && scheme.weighting === "fisher";
  const keysOf = (one: KeyValues | null) => scheme.keys === "beforeRotary" ? one?.keys : one?.rotatedKeys;
  for await (const { layer, seen, gradients } of observations(model, windows, weighted, memory, from)) {
    const weights = weighted ? gradients : null;
    yield {
      layer,
      keys: join(model, keysOf(seen) ?? [], keysOf(weights), scheme),
      values: join(model, seen.values, weights?.values, scheme),
      upstream: gradients?.inputs ?? null,
    };
  }
}

/** Something about each key and value of a layer, for each window: `[tokens, kvHeads * headDim]`. */
type KeyValues = Omit<KeyValueGradients, "layer" | "inputs">;

interface Observation {
  readonly layer: number;
  readonly seen: KeyValues;
  readonly gradients: Omit<KeyValueGradients, "layer"> | null;
}

/** Keys, values and their gradients, remembered for the next scheme on the same model and windows. */
async function* observations(
  model: Model,
  windows: readonly Int32Array[],
  weighted: boolean,
  memory: CalibrationMemory | null,
  { finished, start }: SamplesStart,
): AsyncGenerator<Observation> {
  const { layers, kvHeads, headDim } = model.architecture;
  const about = JSON.stringify([await model.hash(), windows.map((ids) => Array.from(ids))]);
  const keys = ["gradients", "values"].map((what) => `kvquant ${what} ${about}`);
  const known = memory?.get(keys[0]) ?? (weighted ? undefined : memory?.get(keys[1]));
  const first = start?.layer ?? layers - 1;
  if (known !== undefined) {
    return yield* (known as readonly Observation[]).filter(({ layer }) => layer <= first);
  }
  const kept: Observation[] = [];
  const inputs = await layerInputs(model, windows, finished);
  const gradients = weighted ? keyValueGradients(model, windows, inputs, start) : null;
  for (let layer = first; layer >= 0; layer--) {
    const gradient = (await gradients?.next())?.value as KeyValueGradients | undefined;
    const one = { layer, seen: await observe(model, layer, inputs[layer]), gradients: gradient ?? null };
    if (memory !== null) kept.push(one);
    yield one;
  }
  // What goes on from elsewhere is not all.
  if (first < layers - 1) return;
  const tokens = windows.reduce((sum, ids) => sum + ids.length, 0);
  memory?.set(keys[weighted ? 0 : 1], kept, 4 * (weighted ? 6 : 3) * layers * tokens * kvHeads * headDim);
}

/** Keys and values of one layer. */
async function observe(model: Model, index: number, inputs: readonly Float32Array[]): Promise<KeyValues> {
  const { device, architecture: { hiddenSize } } = model;
  const keys: Float32Array[] = [], rotatedKeys: Float32Array[] = [], values: Float32Array[] = [];
  const into = (list: Float32Array[]) => async (x: DeviceBuffer, { tokens, heads, headDim }: Operand) => {
    list.push(await device.read(x, 0, tokens * heads * headDim));
  };
  const observer = { keyBeforeRotary: into(keys), key: into(rotatedKeys), value: into(values) };
  const context = await model.context([observer]);
  const layer = await model.loadLayer(index);
  for (const input of inputs) {
    using x = device.upload(input);
    await runLayer(context, layer, x, input.length / hiddenSize);
  }
  model.leaveLayer(index);
  return { keys, rotatedKeys, values };
}

/** All windows as one matrix, less the tokens that will not be quantized; gradients become their squares. */
function join(
  model: Model,
  windows: readonly Float32Array[],
  gradients: readonly Float32Array[] | undefined,
  { firstTokens, calibrationTokens }: KvQuantSettings,
): Samples {
  const { kvHeads, headDim } = model.architecture;
  const width = kvHeads * headDim, skip = calibrationTokens === "all" ? 0 : firstTokens * width;
  const concatenate = (parts: readonly Float32Array[]) => {
    const kept = parts.map((x) => x.subarray(Math.min(skip, x.length)));
    const all = new Float32Array(kept.reduce((sum, x) => sum + x.length, 0));
    let at = 0;
    for (const x of kept) {
      all.set(x, at);
      at += x.length;
    }
    return all;
  };
  const rows = concatenate(windows);
  if (gradients === undefined) return { rows, weights: null, width };
  // Squares of small gradients would vanish in float32, so the largest is scaled to 1 first; k-means does not mind.
  const weights = concatenate(gradients);
  let most = 0;
  for (let i = 0; i < weights.length; i++) most = Math.max(most, Math.abs(weights[i]));
  for (let i = 0; i < weights.length; i++) weights[i] = most > 0 ? (weights[i] / most) ** 2 : 0;
  return { rows, weights, width };
}
