/**
 * OmniQuant: block by block, two kinds of parameters are learned with the weights frozen. Learnable weight clipping: which shares of each
 * row's (or group's) range the codes cover. Learnable equivalent transformation: scales of channels (and shifts, where norms have biases
 * and activations are rounded) that move outliers of activations into weights.
 *
 * Source: Shao et al., "OmniQuant: Omnidirectionally Calibrated Quantization for Large Language Models", ICLR 2024 (arXiv 2308.13137),
 * eq. 1 to 5, and its code (OpenGVLab/OmniQuant). The loop is `gradients/reconstruction.ts`, the rounding `gradients/rounding.ts`.
 *
 * Differences from the code: on OPT it trains a wrong block, in which the value projection's columns are divided by the scale that belongs
 * to its rows (golden README, defect 1); here training and result agree. Under grouped queries, which it refuses, values and keys have one
 * scale per channel of their own. Ranges of activations below 1e-5 `(2^b - 1)`, and those of a single value, are not clamped while the
 * model runs, as other methods' are not.
 */
import type { MethodWith, OperandMethod, WeightMethod } from "../method.ts";
import {
  flag,
  groupSizeOption,
  integer,
  listOf,
  number,
  oneOf,
  type Option,
  optional,
  type OptionTable,
  or,
  readOptions,
} from "../options.ts";
import { omniVariant } from "./omniquant/learning.ts";
import {
  bitsOption,
  givenLayer,
  learnedOperand,
  type LearnedScheme,
  learnedWeights,
} from "./omniquant/weights.ts";

export * from "./omniquant/learning.ts";
export * from "./omniquant/weights.ts";

/** OmniQuant as data: the same scheme stands under `weights`, and under what it rounds while the model runs. */
export interface OmniQuant extends LearnedScheme {
  /** Tag of the method. */
  readonly method: "omniquant";
}

/** Options of {@linkcode omniquant}; `equivalent` is true by default where activations are rounded. */
export type OmniQuantOptions = Partial<Omit<OmniQuant, "method" | "suite" | "bits">> & {
  readonly bits: number;
};

/** What {@linkcode omniquant} accepts. */
export const omniquantOptions: OptionTable<OmniQuant> = {
  bits: bitsOption(),
  groupSize: groupSizeOption(),
  symmetric: flag(false),
  signed: flag(false),
  activationBits: bitsOption(16),
  operands: oneOf(["head", "token"], "head"),
  clip: flag(true),
  equivalent: optional(flag(false)) as Option<boolean>,
  alpha: number(0, 1, 0.5),
  epochs: integer(0, 1 << 16, 20),
  samples: or(null, integer(1, 1 << 20), null),
  batch: integer(1, 1 << 16, 1),
  clipRate: number(0, 10, 1e-2),
  equivalentRate: number(0, 10, 5e-3),
  weightDecay: number(0, 1, 0),
  augmented: flag(false),
  parameters: optional(listOf(givenLayer)),
};

/**
 * Weights, and what they are multiplied with, by OmniQuant.
 *
 * @example
 * ```ts
 * import { omniquant, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const own = omniquant({ bits: 4, activationBits: 4 });
 * const w4a4: Scheme = { weights: own, activations: own, query: own, key: own, value: own };
 * assertEquals([own.equivalent, omniquant({ bits: 3 }).equivalent, w4a4.weights], [true, false, own]);
 * ```
 */
export function omniquant(options: OmniQuantOptions): OmniQuant {
  const { equivalent, ...read } = readOptions<OmniQuant>("omniquant", omniquantOptions, options);
  return { ...read, equivalent: options.equivalent === undefined ? read.activationBits < 16 : equivalent };
}

/** OmniQuant, for the registry. */
export const omniquantMethod: MethodWith<
  { weights: WeightMethod<OmniQuant>; operand: OperandMethod<OmniQuant> }
> = {
  name: "omniquant",
  paper: {
    title: "OmniQuant: Omnidirectionally Calibrated Quantization for Large Language Models",
    authors: "Shao et al. 2024",
    link: "https://arxiv.org/abs/2308.13137",
  },
  options: omniquantOptions,
  // Groups are those of weights: what runs is rounded by token.
  parse: (options, part) =>
    omniquant((part === "operand" ? { ...options, groupSize: -1 } : options) as unknown as OmniQuantOptions),
  cost: { calibrates: true, copies: 2, passes: ({ epochs }: OmniQuant) => 1 + 3 * epochs },
  weights: learnedWeights(omniVariant),
  operand: learnedOperand,
};
