/**
 * QQQ (Zhang et al., 2024): 4-bit weights and 8-bit activations, multiplied as int8. Two steps:
 *
 * 1. *Adaptive smoothing*: only input channels that exceed a threshold t are scaled down to it, the others stay as they
 *    are: `s_j(t) = max(1, max X_j / t, -min X_j / t)`. The threshold is searched, layer input by layer input, for the least
 *    error of what is computed from it with weights and activations quantized (Outlier Suppression+ without the shift).
 * 2. GPTQ with act-order on the smoothed weights, symmetric: -7 to 7 per row, or groups of 128.
 *
 * Activations are quantized per token beside it: `activations: rtn({ bits: 8, granularity: "token", symmetric: true })`.
 */
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { Model } from "../../model/model.ts";
import { onDevice, onHost, type Steps } from "../compensation/steps.ts";
import { hessianOf } from "../compensation/hessian.ts";
import { Folding, isFoldable } from "../transforms/fold.ts";
import { gptq, gptqSteps } from "./gptq.ts";
import type { InputStatistics, Matrix, MethodWith, QuantizeContext, WeightMethod } from "../method.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { QqqWeight } from "../weights/qqq.ts";
import {
  runPlain,
  runScaled,
  type SearchedStop,
  searchScales,
  type TrialQuantizers,
} from "../transforms/scale_search.ts";
import { SchemeError } from "../error.ts";
import {
  flag,
  groupSizeOf,
  groupSizeOption,
  integer,
  number,
  oneOf,
  type OptionTable,
  or,
  readOptions,
  type SuiteScheme,
} from "../options.ts";
import { walkSites } from "../calibration/sites.ts";

/** QQQ as data. */
export interface Qqq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "qqq";
  /** Always 4: the product is one of int8, made of nibbles. */
  readonly bits: 4;
  /** Input features of a row that share a scale; the whole row when absent. */
  readonly groupSize?: number;
  /** Whether inputs are smoothed. */
  readonly smoothing: boolean;
  /** Columns by decreasing diagonal of the Hessian. */
  readonly actOrder: boolean;
  /** Share of the mean diagonal that is added to the Hessian's diagonal. */
  readonly percdamp: number;
  /** `"mse"` shrinks each weight range to the least error. */
  readonly search: "none" | "mse";
  /**
   * Thresholds that are tried below the largest input; null for as many as in the original code, 100 or one per 0.5 of the
   * largest value.
   */
  readonly thresholds: number | null;
  /** Most calibration windows that the search looks at (the original code: its first batch). */
  readonly searchWindows: number;
  /**
   * Weights of groups as the integer kernel has them, rounded to int8 a second time; or as GPTQ left them. (Whole rows
   * need no second rounding.)
   */
  readonly groupWeights: "int8" | "asRounded";
}

/** Options of {@linkcode qqq}; absent ones take the values of the paper's runs. */
export type QqqOptions = Partial<Omit<Qqq, keyof SuiteScheme>>;

/** What {@linkcode qqq} accepts. */
export const qqqOptions: OptionTable<Qqq> = {
  bits: oneOf([4], 4),
  groupSize: groupSizeOption(),
  smoothing: flag(true),
  actOrder: flag(true),
  percdamp: number(0, 10, 0.01),
  search: oneOf(["none", "mse"], "none"),
  thresholds: or(null, integer(1, 10000), null),
  searchWindows: integer(1, 1 << 20, 8),
  groupWeights: oneOf(["int8", "asRounded"], "int8"),
};

/**
 * QQQ's weights, per row or in groups.
 *
 * @example
 * ```ts
 * import { qqq, rtn, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const activations = rtn({ bits: 8, granularity: "token", symmetric: true });
 * const w4a8: Scheme = { weights: qqq({ groupSize: 128 }), activations };
 * assertEquals(w4a8.weights?.method, "qqq");
 * ```
 */
export function qqq(options: QqqOptions = {}): Qqq {
  return readOptions("qqq", qqqOptions, options);
}

/** Extremes of each input channel over all tokens. */
interface Extremes {
  readonly least: Float32Array;
  readonly most: Float32Array;
}

/** Finds the extremes of a stop's input. */
export async function inputExtremes({ device, inputs, columns }: SearchedStop): Promise<Extremes> {
  const least = new Float32Array(columns).fill(Infinity), most = new Float32Array(columns).fill(-Infinity);
  for (const input of inputs) {
    for (const [i, x] of (await device.read(input)).entries()) {
      least[i % columns] = Math.min(least[i % columns], x);
      most[i % columns] = Math.max(most[i % columns], x);
    }
  }
  return { least, most };
}

/** The factors for thresholds from the largest magnitude, which smooths nothing, down to 0.1. */
export function* thresholdCandidates(
  { least, most }: Extremes,
  steps: number | null,
): Generator<{ threshold: number; scales: Float32Array }> {
  const largest = most.reduce((a, b) => Math.max(a, b), 0);
  const start = Math.max(largest, -least.reduce((a, b) => Math.min(a, b), 0));
  const count = steps ?? Math.max(100, Math.floor(largest / 0.5));
  if (start < 0.1) yield { threshold: start, scales: new Float32Array(most.length).fill(1) };
  for (let i = 0; i <= count && start >= 0.1; i++) {
    const threshold = 0.1 + (start - 0.1) * (count - i) / count;
    const scales = most.map((x, j) => Math.max(1, x / threshold, -least[j] / threshold));
    yield { threshold, scales };
  }
}

/** What the search quantizes: weights to -7 to 7 per row or group, inputs to int8 per token. */
export function trialQuantizers(
  { device }: SearchedStop,
  scheme: Pick<Qqq, "groupSize">,
): TrialQuantizers {
  const quantize = (bits: number, x: DeviceBuffer, rows: number, columns: number, groupSize = columns) =>
    device.fakeQuantize(x, x, { bits, mode: "symmetric", zeroInRange: true }, {
      rows,
      columns,
      axis: "row",
      groupSize,
    });
  return {
    async weight({ rows, columns, data }) {
      using values = device.upload(data);
      quantize(4, values, rows, columns, groupSizeOf(scheme, columns));
      return await device.read(values);
    },
    input: (x, rows, columns) => quantize(8, x, rows, columns),
  };
}

/** The model with its inputs smoothed, and the same function: the search, and what it found folded in. */
export async function smoothInputs(model: Model, scheme: Qqq, context: QuantizeContext): Promise<Model> {
  if (!scheme.smoothing) return model.with({ change: { qqq: "nothing" } });
  const windows = context.calibration("qqq").slice(0, scheme.searchWindows);
  const folding = new Folding(model);
  await walkSites(model, windows, async (stop) => {
    const quantizers = trialQuantizers(stop, scheme);
    // What cannot be folded is not smoothed. (The original code smooths it while searching, but not in the result.)
    if (!isFoldable(model, stop.site)) {
      return await runScaled(stop, new Float32Array(stop.columns).fill(1), quantizers);
    }
    const candidates = thresholdCandidates(await inputExtremes(stop), scheme.thresholds);
    const expected = await runPlain(stop);
    const { candidate, outputs } = await searchScales(stop, candidates, quantizers, expected);
    for (const one of expected) one[Symbol.dispose]();
    await folding.scale(stop.layer, stop.site, candidate.scales);
    const scaled = candidate.scales.filter((s) => s > 1).length;
    context.progress(`qqq ${stop.layer}.${stop.site} threshold ${candidate.threshold}, ${scaled} channels`);
    // Later stops see what the smoothed and quantized ones before them produce.
    return outputs;
  }, { finished: context.finished, journal: folding });
  return folding.apply({ prepared: scheme });
}

/** Quantizes one weight `[out, in]` given `H` `[in, in]`, on the host: GPTQ on a symmetric grid. */
export function qqqWithHessian(weight: Matrix, hessian: Float64Array, scheme: Qqq): StoredWeight {
  return onHost(qqqSteps(weight, hessian, scheme));
}

function* qqqSteps(weight: Matrix, hessian: Float64Array, scheme: Qqq): Steps<StoredWeight> {
  const { groupSize, actOrder, percdamp, search } = scheme;
  const common = { bits: 4, symmetric: true, actOrder, percdamp, search };
  if (groupSize === undefined) {
    return (yield* gptqSteps(weight, hessian, gptq({ ...common, codes: "narrow" }))).weight;
  }
  // 15 steps between the extremes, the zero at the eighth: not the -7 to 7 that the search assumed.
  const grouped = gptq({ ...common, groupSize, codes: "offsetBinary", staticGroups: true });
  const rounded = (yield* gptqSteps(weight, hessian, grouped)).weight;
  return scheme.groupWeights === "int8" ? new QqqWeight(rounded) : rounded;
}

const weights: WeightMethod<Qqq> = {
  needs: "gram",
  prepare: smoothInputs,
  async quantize(weight, scheme, place, input: InputStatistics | null, device) {
    if (input === null) throw new SchemeError("calibration", `qqq: no input statistics for ${place.name}`);
    return await onDevice(device, qqqSteps(weight, hessianOf(input), scheme));
  },
};

/** QQQ, for the registry. */
export const qqqMethod: MethodWith<{ weights: WeightMethod<Qqq> }> = {
  name: "qqq",
  paper: {
    title: "QQQ: Quality Quattuor-Bit Quantization for Large Language Models",
    authors: "Zhang et al. 2024",
    link: "https://arxiv.org/abs/2406.09904",
  },
  options: qqqOptions,
  cost: { copies: 2 },
  parse: (options) => qqq(options as unknown as QqqOptions),
  weights,
};
