/**
 * QuaRot (Ashkboos et al., NeurIPS 2024): a model is rotated so that its activations have no outliers, and what is left can be rounded to 4
 * bits throughout. Section 4, with `H` a normalized Hadamard matrix:
 *
 * - stage 1a: hidden states turn by `Q = diag(+-1) H`; the factors of norms are fused into the layers that read them, and
 *   `W_in <- W_in Q`, `W_out <- Q^T W_out`, `E <- E Q`;
 * - stage 1b: the input of the down projection turns by `H` for every token, `W_down <- W_down H^T`;
 * - stage 1c: values of each head turn by `H` in `W_v`; across heads the input of the output projection turns for every token;
 * - stage 1d: queries and keys of each head turn by the same `H` after positions are rotated in.
 *
 * Nothing is rounded here: weights, activations and the cache are rounded by whatever method a scheme names beside it.
 */
import { hadamardRotation, randomHadamard, randomOrthogonal, type Rotation } from "../transforms/rotation.ts";
import { rotateModel } from "../transforms/rotate_model.ts";
import type { MethodWith, ModelMethod } from "../method.ts";
import { flag, integer, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";

/** QuaRot's rotations as data. */
export interface Quarot extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "quarot";
  /** What turns hidden states: a Hadamard matrix with random signs, a random orthogonal matrix, or nothing. */
  readonly hidden: "hadamard" | "orthogonal" | "none";
  /** Seed of the signs, or of the orthogonal matrix: the same draws as PyTorch's, so that a seed is the original code's. */
  readonly seed: number;
  /** Whether values turn, each head in the weights and across heads online. */
  readonly values: boolean;
  /** Whether the input of the down projection turns, online. */
  readonly down: boolean;
  /** Whether queries and keys turn, online. */
  readonly keys: boolean;
  /**
   * Whether each embedding row loses its mean, as in the original code: for LayerNorm that is part of the fusion, for root mean square
   * norms it makes another function of the model.
   */
  readonly centered: boolean;
}

/** Options of {@linkcode quarot}; absent ones take the values of the paper. */
export type QuarotOptions = Partial<Omit<Quarot, keyof SuiteScheme>>;

/** What {@linkcode quarot} accepts. */
export const quarotOptions: OptionTable<Quarot> = {
  hidden: oneOf(["hadamard", "orthogonal", "none"], "hadamard"),
  seed: integer(0, 2 ** 32 - 1, 0),
  values: flag(true),
  down: flag(true),
  keys: flag(true),
  centered: flag(false),
};

/**
 * QuaRot's rotations, for `transforms`.
 *
 * @example
 * ```ts
 * import { gptq, quarot, rtn, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * // The paper's W4A4KV4: section 5.
 * const cache = rtn({ bits: 4, granularity: "token", clip: 0.95 });
 * const w4a4kv4: Scheme = {
 *   transforms: [quarot()],
 *   weights: gptq({ bits: 4, symmetric: true, search: "mse", trueSequential: true }),
 *   activations: rtn({ bits: 4, granularity: "token", symmetric: true, clip: 0.9 }),
 *   key: cache,
 *   value: cache,
 * };
 * assertEquals(quarot().hidden, "hadamard");
 * assertEquals(Object.keys(w4a4kv4).length, 5);
 * ```
 */
export function quarot(options: QuarotOptions = {}): Quarot {
  return readOptions("quarot", quarotOptions, options);
}

const transform: ModelMethod<Quarot> = {
  apply(model, scheme) {
    const { hiddenSize, headDim } = model.architecture, { values, down, keys, centered } = scheme;
    return rotateModel(model, {
      method: "quarot",
      hidden: hiddenRotation(hiddenSize, scheme),
      values: values ? () => hadamardRotation(headDim) : null,
      online: { heads: values, down, keys },
      centered,
    }, scheme);
  },
};

/** The matrix `Q` of hidden states. */
export function hiddenRotation(size: number, { hidden, seed }: Quarot): Rotation | null {
  if (hidden === "none") return null;
  return hidden === "hadamard" ? randomHadamard(size, seed) : randomOrthogonal(size, seed);
}

/** QuaRot, for the registry. */
export const quarotMethod: MethodWith<{ transform: ModelMethod<Quarot> }> = {
  name: "quarot",
  paper: {
    title: "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs",
    authors: "Ashkboos et al. 2024",
    link: "https://arxiv.org/abs/2404.00456",
  },
  options: quarotOptions,
  parse: (options) => quarot(options as QuarotOptions),
  transform,
};
