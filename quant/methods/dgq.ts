/**
 * DGQ: 4-bit weights in groups whose scales are integers, so that they become int8 without a float operation and a row is summed in integers;
 * beside them int8 activations with fixed ranges, after the few outlying channels have been scaled down.
 *
 * Source: Zhang et al., "Dual Grained Quantization: Efficient Fine-Grained Quantization for LLM", 2023 (arXiv 2310.04836), sections 3.2 and 3.3,
 * and its code (`ilur98/DGQ`). `w = s_row s_group (q - z)` with `s_group` from 1 to 127 and `q` from 0 to 15, found by `dgq/search.ts`.
 * Percentile smoothing divides channels beyond the 99.5th percentile of the channels' largest magnitudes by their excess.
 *
 * Differences from the code: it searches on its last calibration window alone (`window`), and takes the least of the windows' maxima for
 * fixed ranges (`extremes`); a group of zeros gets scale 1, not one beyond int8; rows whose one-sided groups no int8 can hold get ranges
 * with 0, where the code's codes leave their 4 bits; ranges are fixed before
 * weights are rounded (`behind`), and channels are smoothed by the float model's maxima.
 */
import type { Device } from "../../kernels/device.ts";
import type { InputSite } from "../../model/architecture.ts";
import { activationMaxima } from "../calibration/activation_maxima.ts";
import { SchemeError } from "../error.ts";
import type { CalibratedOperand, MethodWith, ModelMethod, OperandMethod, WeightMethod } from "../method.ts";
import {
  groupSizeOf,
  groupSizeOption,
  oneOf,
  type OptionTable,
  readOptions,
  type SuiteScheme,
} from "../options.ts";
import { Folding, isFoldable } from "../transforms/fold.ts";
import { DualGrainedWeight } from "../weights/dual_grained.ts";
import { RealZeroWeight } from "../weights/real_zero.ts";
import { layeredReach, operandReach, roundAll, tensorReach } from "./dgq/ranges.ts";
import { encodeGroups, searchGroups, searchRows } from "./dgq/search.ts";
import { readersBehindNorm } from "./smoothquant.ts";

/** DGQ as data: the same scheme stands under `transforms`, where it smooths, under `weights`, and under what it rounds to int8. */
export interface Dgq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "dgq";
  /** Input features of a row that share a scale; -1 for the whole row. */
  readonly groupSize: number;
  /** Whether groups have integer scales under one float scale per row, or float scales of their own. */
  readonly scales: "integer" | "float";
  /** Calibration windows that the weights are searched on. */
  readonly window: "all" | "last";
  /** Ranges of activations and attention operands: fixed, of each token, or of all tokens together with at most twice the tenth channel. */
  readonly ranges: "static" | "token" | "tensor";
  /** What a fixed range takes of the windows' largest magnitudes in each channel: the largest, or the least. */
  readonly extremes: "largest" | "leastWindow";
  /**
   * Whether the fixed ranges of a layer are found behind layers whose linear layers have rounded inputs, or in full precision; or
   * (`"layers"`, the code) behind layers with rounded weights, inputs and attention operands, which weights are then searched behind too.
   */
  readonly behind: "rounded" | "float" | "layers";
}

/** Options of {@linkcode dgq}. */
export type DgqOptions = Partial<Omit<Dgq, "method">>;

/** What {@linkcode dgq} accepts. */
export const dgqOptions: OptionTable<Dgq> = {
  groupSize: groupSizeOption(128),
  scales: oneOf(["integer", "float"], "integer"),
  window: oneOf(["all", "last"], "all"),
  ranges: oneOf(["static", "token", "tensor"], "static"),
  extremes: oneOf(["largest", "leastWindow"], "largest"),
  behind: oneOf(["rounded", "float", "layers"], "rounded"),
};

/**
 * 4-bit weights and 8-bit operands by DGQ.
 *
 * @example
 * ```ts
 * import { dgq, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const own = dgq({ groupSize: 64 });
 * const scheme: Scheme = { transforms: [own], weights: own, activations: own, query: own, key: own, value: own };
 * assertEquals(own.scales, "integer");
 * ```
 */
export function dgq(options: DgqOptions = {}): Dgq {
  return readOptions<Dgq>("dgq", dgqOptions, options);
}

/** Factors of percentile smoothing: what a channel's largest magnitude has beyond that of the channel at the 99.5th percentile. */
export function percentileFactors(maxima: Float32Array): Float32Array {
  const rank = Math.floor(maxima.length * 0.005 + 1.5), baseline = maxima.toSorted()[maxima.length - rank];
  if (!(baseline >= 1e-4)) return maxima.map(() => 1);
  return maxima.map((a) => a > baseline ? a / baseline : 1);
}

const transform: ModelMethod<Dgq> = {
  async apply(model, scheme, context) {
    const { layers, linears } = model.architecture;
    const sites: InputSite[] = (["attention", "mlp"] as const).filter((site) =>
      readersBehindNorm(model, site).length > 0
    );
    // What comes of gate and up is divided in the rows of up; without a gate the original leaves it.
    if (linears.gate !== undefined && isFoldable(model, "down")) sites.push("down");
    const maxima = await activationMaxima(model, context.calibration("dgq"), sites);
    const folding = new Folding(model);
    for (let layer = 0; layer < layers; layer++) {
      for (const site of sites) {
        const seen = maxima.get(`${layer}.${site}`);
        if (seen !== undefined) await folding.scale(layer, site, percentileFactors(seen));
      }
    }
    return folding.apply(scheme);
  },
};

const weights: WeightMethod<Dgq> = {
  needs: "gram",
  lastWindow: ({ window }) => window === "last",
  async quantize(weight, scheme, place, input, device) {
    if (input === null) throw new SchemeError("calibration", `dgq: no input statistics for ${place.name}`);
    const { rows, columns } = weight, groupSize = groupSizeOf(scheme, columns);
    if (columns % groupSize !== 0) {
      throw new SchemeError(
        "shape",
        `groupSize ${groupSize} does not divide ${columns} input features of ${place.name}`,
      );
    }
    const groups = await searchGroups(weight, input, groupSize, device);
    if (scheme.scales === "integer") {
      return new DualGrainedWeight(await searchRows(weight, input, groups, device));
    }
    const scales = groups.scales.map((scale) => scale || 1), codes = encodeGroups(weight, groups);
    return new RealZeroWeight({
      shape: [rows, columns],
      bits: 4,
      axis: 1,
      groupSize,
      codes,
      scales,
      zeros: groups.zeros,
    });
  },
};

const operand: OperandMethod<Dgq> = {
  async apply(device, x, view, { ranges }) {
    const { rows, columns } = view;
    if (ranges !== "tensor") {
      return device.fakeQuantize(x, x, { bits: 8, mode: "symmetric", zeroInRange: true }, {
        rows,
        columns,
        axis: "row",
      });
    }
    const step = Math.fround(Math.max(1e-5, await tensorReach(device, x, view)) / 127);
    await roundAll(device, x, rows * columns, step, -128, 127);
  },
  async calibrate(model, { ranges, extremes, behind }, context) {
    if (ranges !== "static") return null;
    const windows = context.calibration("dgq"),
      round = behind === "float" ? undefined : rounding(model.device);
    return rounding(model.device)(await operandReach(model, windows, extremes, round, context.finished));
  },
  layered(model, { ranges, extremes, behind }, { finished }) {
    if (ranges !== "static" || behind !== "layers") return Promise.resolve(null);
    return layeredReach(model, extremes, rounding(model.device), finished);
  },
};

/** What rounds to a fixed range at each place, by how far that reaches. */
const rounding =
  (device: Device) =>
  (reach: ReadonlyMap<string, number>): CalibratedOperand =>
  async (x, { rows, columns }, { layer, site }) => {
    const most = reach.get(`${layer}.${site}`), isInput = inputSites.has(site);
    if (most === undefined) {
      throw new SchemeError(
        "combination",
        `dgq has no fixed range of ${site}: expected inputs of linear layers, queries, keys or values`,
      );
    }
    if (most === 0) return;
    // Attention operands have all 256 codes, inputs one less.
    const step = Math.fround(isInput ? most / 127 : 2 * most / 255);
    await roundAll(device, x, rows * columns, step, isInput ? -127 : -128, 127);
  };

const inputSites: ReadonlySet<string> = new Set<InputSite>(["attention", "output", "mlp", "down"]);

/** DGQ, for the registry. */
export const dgqMethod: MethodWith<
  { weights: WeightMethod<Dgq>; transform: ModelMethod<Dgq>; operand: OperandMethod<Dgq> }
> = {
  name: "dgq",
  paper: {
    title: "Dual Grained Quantization: Efficient Fine-Grained Quantization for LLM",
    authors: "Zhang et al. 2023",
    link: "https://arxiv.org/abs/2310.04836",
  },
  options: dgqOptions,
  // Groups are those of weights: what is rounded to int8 has one range, or one per token.
  parse: (options, part) => dgq(part === "operand" ? { ...options, groupSize: -1 } : options),
  cost: { calibrates: true, passes: () => 100 },
  transform,
  operand,
  weights,
};
