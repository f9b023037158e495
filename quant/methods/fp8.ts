/**
 * FP8: values divided by a float32 scale and rounded to 8-bit floats (Micikevicius et al., "FP8 formats for deep learning", 2022).
 *
 *     s = absmax / max,    x^ = s E(x / s)
 *
 * where `max` is the element's largest number, 448 (E4M3) or 57344 (E5M2), absmax that of the values that share a scale, and `E` rounds to
 * the nearest number, ties to even. This is what compressed-tensors (vLLM) and torchao store. They differ where all values are 0: the scale is
 * then 2^-23, as compressed-tensors has it (torchao divides 0 by 0).
 */
import { absMax, type BlockRule, roundOnDevice } from "../grids/blocks.ts";
import { floatEncoder, floatFormats, floatValues, largestFloat } from "../grids/float.ts";
import type { MethodWith, OperandMethod, OperandView, WeightMethod } from "../method.ts";
import {
  groupSizeOption,
  oneOf,
  optional,
  type OptionTable,
  readOptions,
  refused,
  type SuiteScheme,
} from "../options.ts";
import { tableWeight } from "../weights/table.ts";

/**
 * Which values share a scale. Weights: `tensor`, `channel` (output row), `block` (of `groupSize` rows and columns), `group` (of input
 * features in a row). Activations and attention operands: `tensor`, `token`, `group` (of features of a token).
 */
export type Fp8Granularity = "tensor" | "channel" | "token" | "block" | "group";

/** FP8 as data. */
export interface Fp8<G extends Fp8Granularity = Fp8Granularity> extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "fp8";
  /** Four bits of exponent and three of mantissa, or five and two. */
  readonly element: "e4m3" | "e5m2";
  /** Which values share a scale. */
  readonly granularity: G;
  /** Values of a group, or rows and columns of a block; with these granularities only. */
  readonly groupSize?: number;
}

/** Options of {@linkcode fp8}. */
export interface Fp8Options<G extends Fp8Granularity> {
  /** Default `"e4m3"`. */
  readonly element?: "e4m3" | "e5m2";
  /** Default `"channel"`. */
  readonly granularity?: G;
  /** Default 128 with granularity `"group"` or `"block"`. */
  readonly groupSize?: number;
}

/** What {@linkcode fp8} accepts. */
export const fp8Options: OptionTable<Fp8> = {
  element: oneOf(["e4m3", "e5m2"], "e4m3"),
  granularity: oneOf(["tensor", "channel", "token", "block", "group"], "channel"),
  groupSize: optional(groupSizeOption()),
};

/**
 * FP8 with one float32 scale per `granularity`.
 *
 * @example
 * ```ts
 * import { fp8, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * // DeepSeek-V3's: weights in blocks of 128 by 128, activations in groups of 128.
 * const scheme = { weights: fp8({ granularity: "block" }), activations: fp8({ granularity: "group" }) } satisfies Scheme;
 * assertEquals(scheme.weights.groupSize, 128);
 * ```
 */
export function fp8<const G extends Fp8Granularity = "channel">(options: Fp8Options<G> = {}): Fp8<G> {
  const { granularity, groupSize: given, ...rest } = readOptions<Fp8>("fp8", fp8Options, options);
  const grouped = granularity === "group" || granularity === "block";
  if (!grouped && given !== undefined) {
    throw refused("groupSize", given, `none with granularity "${granularity}"`);
  }
  return { ...rest, granularity: granularity as G, ...grouped && { groupSize: given ?? 128 } };
}

/** Blocks of so many rows and columns, each with a float32 scale. */
export function fp8Rule(element: Fp8["element"], block: BlockRule["block"]): BlockRule {
  const format = floatFormats[element], most = largestFloat(format), round = floatEncoder(format);
  return {
    bits: 8,
    values: floatValues(format),
    block,
    fit(values) {
      const scale = Math.fround(absMax(values) / most) || 2 ** -23;
      return { scale, encode: (x) => round(Math.fround(x / scale)) };
    },
  };
}

function weightBlock({ granularity, groupSize = 128 }: Fp8): BlockRule["block"] {
  switch (granularity) {
    case "tensor":
      return [Infinity, Infinity];
    case "block":
      return [groupSize, groupSize];
    case "group":
      return [1, groupSize];
    default:
      return [1, Infinity];
  }
}

/** The matrix of an operand whose rows are vectors, one of each head. */
export function vectorsOf({ rows, columns, heads }: OperandView): { rows: number; columns: number } {
  return { rows: rows * heads, columns: columns / heads };
}

const weights: WeightMethod<Fp8<"tensor" | "channel" | "block" | "group">> = {
  needs: "nothing",
  quantize: (weight, scheme) => tableWeight(weight, fp8Rule(scheme.element, weightBlock(scheme))),
};

const operand: OperandMethod<Fp8<"tensor" | "token" | "group">> = {
  apply(device, x, view, { element, granularity, groupSize = 128 }) {
    const all = granularity === "tensor";
    const block = all
      ? [Infinity, Infinity] as const
      : [1, granularity === "group" ? groupSize : Infinity] as const;
    return roundOnDevice(device, x, all ? view : vectorsOf(view), () => fp8Rule(element, block));
  },
};

/** FP8, for the registry. */
export const fp8Method: MethodWith<{
  weights: WeightMethod<Fp8<"tensor" | "channel" | "block" | "group">>;
  operand: OperandMethod<Fp8<"tensor" | "token" | "group">>;
}> = {
  name: "fp8",
  paper: {
    title: "FP8 Formats for Deep Learning",
    authors: "Micikevicius et al. 2022",
    link: "https://arxiv.org/abs/2209.05433",
  },
  options: fp8Options,
  shortGroups: true,
  parse(options, part) {
    const scheme = fp8(options as unknown as Fp8Options<Fp8Granularity>);
    const operands = part === "operand", { granularity } = scheme;
    if (operands ? granularity === "channel" || granularity === "block" : granularity === "token") {
      const accepted = operands ? '"tensor", "token" or "group" of activations' : 'not "token" of weights';
      throw refused("granularity", granularity, accepted);
    }
    return scheme;
  },
  weights,
  operand,
};
