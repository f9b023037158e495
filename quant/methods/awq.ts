/**
 * AWQ (Lin et al., MLSys 2024): activation-aware weight quantization. One weight column in a hundred matters more than
 * the others, the one whose input is large. Multiplying such a column by `s > 1` before rounding, and dividing its input,
 * makes its rounding error about `s` times smaller (section 3.2). The factors come from the mean input magnitude (eq. 5),
 *
 *     s_j = mean|X_j|^ratio / sqrt(max s * min s),
 *
 * with the ratio that changes the output of the block least on a grid from 0 (round to nearest) to 0.95. Then each group's
 * range is clipped where that lowers the output's error further. No gradients, no compensation.
 */
import { pow } from "../../base/elementary.ts";
import { clipGroups, divideGram, quantizeGroups, roundGroups } from "./awq/grid.ts";
import { Folding, isFoldable } from "../transforms/fold.ts";
import type { Matrix, MethodWith, WeightMethod } from "../method.ts";
import { runPlain, type SearchedStop, searchScales } from "../transforms/scale_search.ts";
import {
  flag,
  groupSizeOption,
  integer,
  type OptionTable,
  readOptions,
  type SuiteScheme,
} from "../options.ts";
import { walkSites } from "../calibration/sites.ts";

/** AWQ as data. */
export interface Awq extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "awq";
  /** Bits per code. */
  readonly bits: number;
  /** Input features of a row that share a scale and zero point; -1 means the whole row. */
  readonly groupSize: number;
  /** Whether input channels are scaled. */
  readonly scaling: boolean;
  /** Whether ranges are clipped. */
  readonly clipping: boolean;
  /** Ratios tried: 0, 1/n, ... (n - 1)/n. */
  readonly ratios: number;
  /** Most calibration windows that the search looks at. */
  readonly searchWindows: number;
}

/** Options of {@linkcode awq}; absent ones take the values of the original code. */
export type AwqOptions = Partial<Omit<Awq, keyof SuiteScheme>> & { readonly bits: number };

/** What {@linkcode awq} accepts. */
export const awqOptions: OptionTable<Awq> = {
  bits: integer(2, 8),
  groupSize: groupSizeOption(128),
  scaling: flag(true),
  clipping: flag(true),
  ratios: integer(1, 1000, 20),
  searchWindows: integer(1, 1 << 20, 128),
};

/**
 * AWQ with asymmetric groups of 128.
 *
 * @example
 * ```ts
 * import { awq } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(awq({ bits: 4 }).groupSize, 128);
 * ```
 */
export function awq(options: AwqOptions): Awq {
  return readOptions("awq", awqOptions, options);
}

/** The factors of eq. 5 for each ratio of the grid. The first, of ratio 0, are all 1. */
export function* scaleCandidates(
  meanMagnitude: Float64Array,
  ratios: number,
): Generator<{ ratio: number; scales: Float32Array }> {
  for (let i = 0; i < ratios; i++) {
    const raw = meanMagnitude.map((x) => Math.max(pow(x, i / ratios), 1e-4));
    const middle = Math.sqrt(raw.reduce((a, b) => Math.max(a, b)) * raw.reduce((a, b) => Math.min(a, b)));
    yield { ratio: i / ratios, scales: Float32Array.from(raw, (s) => s / middle) };
  }
}

/** Mean magnitude of each input channel over all tokens. */
export async function meanMagnitudes({ device, inputs, columns }: SearchedStop): Promise<Float64Array> {
  const sums = new Float64Array(columns);
  let tokens = 0;
  for (const input of inputs) {
    const x = await device.read(input);
    for (let i = 0; i < x.length; i++) sums[i % columns] += Math.abs(x[i]);
    tokens += x.length / columns;
  }
  return sums.map((sum) => sum / tokens);
}

const weights: WeightMethod<Awq> = {
  needs: "nothing",
  async prepare(model, scheme, context) {
    if (!scheme.scaling && !scheme.clipping) return model.with({ change: { awq: "nothing" } });
    const windows = context.calibration("awq").slice(0, scheme.searchWindows);
    const folding = new Folding(model);
    await walkSites(model, windows, async (stop) => {
      const { layer, site, columns, inputs } = stop;
      // Later stops see what the float model computes, unlike in GPTQ and QQQ.
      const expected = await runPlain(stop);
      let scales: Float32Array | null = null;
      if (scheme.scaling && isFoldable(model, site)) {
        const candidates = scaleCandidates(await meanMagnitudes(stop), scheme.ratios);
        const quantizers = { weight: (one: Matrix) => roundGroups(one, scheme) };
        const { candidate, outputs } = await searchScales(stop, candidates, quantizers, expected);
        for (const output of outputs) output[Symbol.dispose]();
        scales = candidate.scales;
        await folding.scale(layer, site, scales);
        context.progress(`awq ${layer}.${site} ratio ${candidate.ratio}`);
      }
      if (scheme.clipping) {
        using sum = model.device.gram(columns);
        for (const x of inputs) sum.add(x, x.length / columns);
        const gram = await sum.read();
        if (scales !== null) divideGram(gram, scales);
        for (const [i, role] of stop.roles.entries()) {
          // Left alone as in the original code: errors of queries and keys multiply each other.
          if (role === "q" || role === "k") continue;
          const data = await folding.weight(layer, role);
          folding.setWeight(layer, role, clipGroups({ ...stop.weights[i], data }, gram, scheme));
        }
      }
      return expected;
    }, { finished: context.finished, journal: folding });
    return folding.apply({ prepared: scheme });
  },
  quantize: (weight, scheme) => quantizeGroups(weight, scheme),
};

/** AWQ, for the registry. */
export const awqMethod: MethodWith<{ weights: WeightMethod<Awq> }> = {
  name: "awq",
  paper: {
    title: "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration",
    authors: "Lin et al. 2024",
    link: "https://arxiv.org/abs/2306.00978",
  },
  options: awqOptions,
  cost: { calibrates: true },
  parse: (options) => awq(options as unknown as AwqOptions),
  weights,
};
