/**
 * SVDQuant (Li et al., ICLR 2025, arXiv 2411.05007): outliers move from inputs to weights by smoothing, and from weights into a branch of
 * low rank that stays in 16 bits; the rest is rounded, and so are the inputs that it is multiplied with. Section 4, eq. 5 to 7:
 *
 *     x~ = x / s,    W s = L + R,    L = U_r S_r V_r^T,    y = x~ L^T + Q(x~) Q(R)^T
 *
 * `s_j = max|x_j|^alpha / max|w_j|^beta`. A branch is decomposed again around the rounding error of the rest while the output's error
 * falls. Query, key and value share the branch's input side; gate and up share the smoothing.
 *
 * As in the authors' code (deepcompressor), which wires the branch for diffusion models only: one zero column of a weight with `beta > 0`
 * sets all factors to 1, and so does a channel that is never anything but 0, for itself.
 */
import { layerRoles, type LinearRole, siteOfRole } from "../../model/architecture.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import { type Linear, Parameter } from "../../model/decoder/parameter.ts";
import type { Model } from "../../model/model.ts";
import { type Journal, type Stop, walkSites } from "../calibration/sites.ts";
import type { Precision } from "../grids/precision.ts";
import type { MethodWith, ModelMethod, OperandMethod, WeightMethod } from "../method.ts";
import {
  flag,
  integer,
  number,
  oneOf,
  type OptionTable,
  or,
  readOptions,
  refused,
  section,
  type SuiteScheme,
} from "../options.ts";
import { quantizedLinear } from "../weights/linear.ts";
import type { LowRankWeight } from "../weights/low_rank.ts";
import { runPlain } from "../transforms/scale_search.ts";
import { type InputRounding, LowRankLinear } from "./svdquant/linear.ts";
import {
  inputMethod,
  inputsOption,
  plainOf,
  requireGroups,
  type Residual,
  residualMethod,
  residualOption,
  type RoundedInput,
} from "./svdquant/parts.ts";
import { quantizeSite, type SiteRule } from "./svdquant/site.ts";
import { type Smoothing, smoothingCandidates } from "./svdquant/smoothing.ts";

export type { Residual, RoundedInput, Smoothing };

/** SVDQuant as data; it owns the products of linear layers, as the branch reads inputs that are not rounded. */
export interface SvdQuant extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "svdQuant";
  /** Rank of the branches; 0 of none. */
  readonly rank: number;
  /** How what the branch leaves is rounded: a scheme of `rtn`, `gptq`, `mx` or `nvfp4`. Branches are searched on its grid without compensation. */
  readonly weights: Residual;
  /** How its inputs are rounded: a scheme of `rtn`, `mx` or `nvfp4`; null where they are not. */
  readonly activations: RoundedInput | null;
  /** `"search"`: the best of 39 pairs of exponents; exponents; or `"none"`. */
  readonly smooth: Smoothing | "search" | "none";
  /** Steps of the exponents that a search tries. */
  readonly grids: number;
  /** Decompositions of a branch at most. */
  readonly iterations: number;
  /** Whether the first rise of the error ends them. */
  readonly earlyStop: boolean;
  /** Whether the branch is that of the weight's rounding error instead (one decomposition, as in the original code). */
  readonly compensate: boolean;
  /** Whether inputs that cannot be negative (behind a ReLU) have codes from 0 on. */
  readonly unsigned: boolean;
  /** What branches are stored in. */
  readonly precision: Precision;
}

/** Options of {@linkcode svdQuant}; absent ones are the paper's and its code's. */
export type SvdQuantOptions = Partial<Omit<SvdQuant, keyof SuiteScheme>>;

const smoothing = section<Smoothing>({ alpha: number(0, 1), beta: number(0, 1) });

/** What {@linkcode svdQuant} accepts. */
export const svdQuantOptions: OptionTable<SvdQuant> = {
  rank: integer(0, 1 << 16, 32),
  weights: residualOption,
  activations: or(null, inputsOption, inputsOption.fallback),
  smooth: or("none", or("search", smoothing), "search"),
  grids: integer(1, 1000, 20),
  iterations: integer(1, 1000, 100),
  earlyStop: flag(true),
  compensate: flag(false),
  unsigned: flag(true),
  precision: oneOf(["float16", "float32"], "float16"),
};

/**
 * A branch of low rank beside 4-bit codes.
 *
 * @throws {SchemeError} `option` for values out of range, and `iterations` beside `compensate`, which decomposes once
 *
 * @example
 * ```ts
 * import { nvfp4, svdQuant, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { linears: svdQuant({ rank: 16, weights: nvfp4(), activations: nvfp4() }) } satisfies Scheme;
 * assertEquals([scheme.linears.smooth, scheme.linears.iterations], ["search", 100]);
 * ```
 */
export function svdQuant(options: SvdQuantOptions = {}): SvdQuant {
  const iterations = options.compensate === true ? options.iterations ?? 1 : options.iterations;
  const scheme = readOptions<SvdQuant>("svdQuant", svdQuantOptions, { ...options, iterations });
  if (scheme.compensate && scheme.iterations !== 1) {
    throw refused("iterations", scheme.iterations, "1 with compensate");
  }
  return scheme;
}

/** What rounds inputs of a site; those behind a ReLU have codes from 0 on, where the scheme says so. */
function roundingOf(
  model: Model,
  { activations, unsigned }: SvdQuant,
  site: Stop["site"],
): InputRounding | null {
  if (activations === null) return null;
  const { activation, linears } = model.architecture, { device } = model;
  const positive = site === "down" && activation === "relu" && linears.gate === undefined;
  const scheme = unsigned && positive && activations.method === "rtn"
    ? { ...activations, symmetric: false, zeroInRange: true }
    : activations;
  const operand: OperandMethod<never> = inputMethod(scheme);
  return (x, rows, columns) => operand.apply(device, x, { rows, columns, heads: 1 }, scheme as never);
}

const linears: ModelMethod<SvdQuant> = {
  async apply(model, scheme, context) {
    const { device, architecture } = model, { rank, iterations, smooth, weights } = scheme;
    const gram = weights.method === "gptq", looks = gram || smooth !== "none" || rank > 0 && iterations > 1;
    const windows = looks ? context.calibration("svdQuant") : [];
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const role of layerRoles(architecture, layer)) {
        const { name, shape: [, columns] } = model.linear(layer, role);
        for (const part of [weights, scheme.activations]) requireGroups(part, columns, name);
      }
    }
    const residual: WeightMethod<never> = residualMethod(weights), found = new Map<string, LowRankWeight>();
    let entries: [string, LowRankWeight][] = [];
    const journal: Journal = {
      take: () => entries.splice(0),
      replay: (kept) =>
        Promise.resolve((kept as typeof entries).forEach(([key, one]) => found.set(key, one))),
    };
    await walkSites(model, windows, async (stop) => {
      const { layer, site, roles } = stop;
      const rule: SiteRule = {
        ...scheme,
        candidates: smooth === "none"
          ? []
          : smooth === "search"
          ? smoothingCandidates(scheme.grids)
          : [smooth],
        gram,
        plain: (matrix) => plainOf(weights, matrix),
        residual: async (rest, index, input) => {
          const { name } = model.linear(layer, roles[index]),
            place = { layer, role: roles[index], site, name };
          return await residual.quantize(rest, weights as never, place, input, device);
        },
        rounding: roundingOf(model, scheme, site),
      };
      for (const [i, weight] of (await quantizeSite(stop, rule)).entries()) {
        entries = [...entries, [linearKey(layer, roles[i]), weight]];
        found.set(linearKey(layer, roles[i]), weight);
      }
      context.progress(`svdQuant layer ${layer}, ${site}`);
      return runPlain(stop);
    }, { finished: context.finished, journal });
    const replaced = new Map<string, Parameter<Linear>>();
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const role of layerRoles(architecture, layer)) {
        const stored = found.get(linearKey(layer, role));
        if (stored === undefined) throw new Error(`svdQuant passed layer ${layer}, ${role} over`);
        replaced.set(linearKey(layer, role), lowRankLinear(model, scheme, layer, role, stored));
      }
    }
    return model.with({ linears: replaced, change: scheme });
  },
};

function lowRankLinear(
  model: Model,
  scheme: SvdQuant,
  layer: number,
  role: LinearRole,
  stored: LowRankWeight,
): Parameter<Linear> {
  const { device } = model, { name } = model.linear(layer, role), { residual, factors, shape } = stored;
  const round = roundingOf(model, scheme, siteOfRole(role));
  const execution = residual.pack === undefined ? "simulated" : "packed";
  const build = async () => {
    const inner = quantizedLinear(device, name, residual, model.bias(layer, role), "svdQuant", execution);
    return new LowRankLinear(device, await inner.load(), shape[1], stored, factors, round);
  };
  return new Parameter<Linear>(name, shape, () => Promise.resolve(stored.dequantize()), build, stored);
}

/** SVDQuant, for the registry. */
export const svdQuantMethod: MethodWith<{ linears: ModelMethod<SvdQuant> }> = {
  name: "svdQuant",
  paper: {
    title: "SVDQuant: Absorbing Outliers by Low-Rank Components for 4-Bit Diffusion Models",
    authors: "Li et al. 2025",
    link: "https://arxiv.org/abs/2411.05007",
  },
  options: svdQuantOptions,
  parse: (options) => svdQuant(options),
  cost: {
    calibrates: true,
    passes: ({ iterations, smooth, grids }: SvdQuant) => iterations + (smooth === "search" ? 2 * grids : 0),
  },
  linears,
};
