/**
 * AffineQuant: OmniQuant's scales become invertible matrices, block by block. Values and outputs of each head are mixed by a matrix, queries
 * and keys too where activations are rounded (`mixQueries`), and all channels behind a norm where they are not (`mixChannels`).
 *
 *     x W^T = (x A^-1) (W A^T)^T
 *
 * A matrix stays invertible because it starts diagonal and opens slowly: in epoch `e` of `E` only the band `|i - j| < (d - 1) / (E - 1) e + 1`
 * is there, and entries off the diagonal count `stability` of themselves, so that it stays diagonally dominant (Levy-Desplanques).
 *
 * Source: Ma et al., "AffineQuant: Affine Transformation Quantization for Large Language Models", ICLR 2024 (arXiv 2403.12544), eq. 4 to 8,
 * and its code (bytedance/AffineQuant).
 *
 * Differences from the code: ranges of constant rows keep OmniQuant's bounds, where the code divides 0 by 0. A matrix behind a norm is undone
 * in the weights after they are rounded, not in front of them for every token: the same where activations are not rounded, and refused where
 * they are. Scales start from the largest weight of a column with its sign, as in the code (`start: "signed"`); `"magnitude"` is the paper's.
 */
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import type { MethodWith, OperandMethod, WeightMethod } from "../method.ts";
import {
  flag,
  groupSizeOption,
  integer,
  listOf,
  number,
  oneOf,
  option,
  optional,
  type OptionTable,
  or,
  readOptions,
} from "../options.ts";
import {
  bitsOption,
  type BlockVariant,
  givenLayer,
  learnedOperand,
  type LearnedScheme,
  learnedWeights,
  omniVariant,
} from "./omniquant.ts";
import { type AffineRules, affineStart, foldAffine, undoChannels } from "./affine/folding.ts";

/** AffineQuant as data: the same scheme stands under `weights`, and under what it rounds while the model runs. */
export interface Affine extends LearnedScheme, AffineRules {
  /** Tag of the method. */
  readonly method: "affine";
}

/** Options of {@linkcode affine}. */
export type AffineOptions = Partial<Omit<Affine, "method" | "suite" | "bits">> & { readonly bits: number };

const isEpochs = (value: unknown) =>
  Number.isInteger(value) && (value === 0 || Number(value) >= 2 && Number(value) <= 1 << 16);

/** What {@linkcode affine} accepts. */
export const affineOptions: OptionTable<Affine> = {
  bits: bitsOption(),
  groupSize: groupSizeOption(),
  symmetric: flag(false),
  signed: flag(false),
  activationBits: bitsOption(16),
  operands: oneOf(["head", "token"], "head"),
  clip: flag(true),
  equivalent: flag(true),
  mixQueries: flag(false),
  mixChannels: flag(false),
  stability: number(0, 1, 0.1),
  start: oneOf(["signed", "magnitude"], "signed"),
  alpha: number(0, 1, 0.5),
  // The band opens from the first epoch to the last.
  epochs: option<number>("0, or an integer from 2", isEpochs, 20),
  samples: or(null, integer(1, 1 << 20), null),
  batch: integer(1, 1 << 16, 1),
  clipRate: number(0, 10, 1e-2),
  equivalentRate: number(0, 10, 5e-3),
  weightDecay: number(0, 1, 0),
  augmented: flag(false),
  parameters: optional(listOf(givenLayer)),
};

/**
 * Weights, and what they are multiplied with, by AffineQuant.
 *
 * @example
 * ```ts
 * import { affine, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const own = affine({ bits: 4, activationBits: 4, mixQueries: true, augmented: true });
 * const w4a4: Scheme = { weights: own, activations: own, query: own, key: own, value: own };
 * assertEquals([own.stability, w4a4.weights], [0.1, own]);
 * ```
 */
export function affine(options: AffineOptions): Affine {
  const read = readOptions<Affine>("affine", affineOptions, options);
  if (!read.mixChannels || read.activationBits === 16) return read;
  throw new SchemeError(
    "option",
    `mixChannels is true with activationBits ${read.activationBits}: expected 16, where the matrix can be undone behind the rounding`,
  );
}

/** What is learned, from what. */
export function affineVariant(model: Model, scheme: Affine): BlockVariant {
  const { architecture, name } = model, { heads, kvHeads } = architecture;
  if (heads !== kvHeads && scheme.equivalent) {
    throw new SchemeError(
      "combination",
      `affine mixes each head's values by a matrix of its own, and ${name} has ${kvHeads} heads of values for ${heads}: expected as many`,
    );
  }
  return {
    ...omniVariant(model, scheme),
    name: "affine",
    start(context) {
      const windows = scheme.equivalent ? context?.calibration("affine") ?? [] : [];
      return affineStart(model, scheme, windows, context?.finished ?? null);
    },
    fold: (graph, block, nodes, learned, epoch) =>
      foldAffine(graph, architecture, scheme, { block, nodes, learned, epoch }),
    finish: undoChannels,
  };
}

/** AffineQuant, for the registry. */
export const affineMethod: MethodWith<{ weights: WeightMethod<Affine>; operand: OperandMethod<Affine> }> = {
  name: "affine",
  paper: {
    title: "AffineQuant: Affine Transformation Quantization for Large Language Models",
    authors: "Ma et al. 2024",
    link: "https://arxiv.org/abs/2403.12544",
  },
  options: affineOptions,
  // Groups are those of weights: what runs is rounded by token.
  parse: (options, part) =>
    affine((part === "operand" ? { ...options, groupSize: -1 } : options) as unknown as AffineOptions),
  cost: { calibrates: true, copies: 2, passes: ({ epochs }: Affine) => 1 + 3 * epochs },
  weights: learnedWeights(affineVariant),
  operand: learnedOperand,
};
