/**
 * Round to nearest: every value goes to the nearest point of a uniform grid over its group's range. The baseline of
 * all tables.
 *
 * Source: the reference code's `find_params` and `quantize_nearest`. Weights are grouped along input features of a
 * row; activations along features of a token.
 */
import type { QuantizeLayout } from "../../kernels/codes.ts";
import type { Matrix, MethodWith, OperandMethod, OperandView, WeightMethod } from "../method.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { SchemeError } from "../error.ts";
import {
  flag,
  groupSizeOption,
  integer,
  number,
  oneOf,
  type Option,
  optional,
  type OptionTable,
  readOptions,
  refused,
  type SuiteScheme,
} from "../options.ts";
import {
  encode,
  fitLeastError,
  fitRange,
  requireUnshifted,
  unshifted,
  type WeightRule,
} from "../grids/uniform.ts";

/**
 * Which values share a scale. Weights: `tensor`, `channel` (output row), `group` (of input features in a row).
 * Activations and attention operands: `tensor`, `token`, `channel` (a column over tokens), `group` (of features of a
 * token); operands also `dimension` (a head dimension over tokens and heads) and `span` (so many values of all heads,
 * one head after the other, one token after the other: all heads of a token, or several tokens).
 */
export type Granularity = "tensor" | "channel" | "token" | "group" | "dimension" | "span";

/** A round-to-nearest quantizer as data. */
export interface Rtn<G extends Granularity = Granularity> extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "rtn";
  /** Bits per code, 2 to 8. */
  readonly bits: number;
  /** Which values share a scale. */
  readonly granularity: G;
  /** Values per group; only with granularity `"group"` or `"span"`. */
  readonly groupSize?: number;
  /** Whether the range is symmetric about 0. */
  readonly symmetric: boolean;
  /**
   * Codes of symmetric quantizers: signed; `"narrow"` without the lowest one (the JUNE reference code); or
   * offset-binary (the LEGACY one). `"unshifted"`, of asymmetric weights: steps of an asymmetric range, but
   * no zero point (`grids/uniform.ts`).
   */
  readonly codes: "signed" | "narrow" | "offsetBinary" | "unshifted";
  /** Whether 0 is always representable (the reference code). */
  readonly zeroInRange: boolean;
  /** `"mse"` shrinks each weight range to the least error. */
  readonly search: "none" | "mse";
  /** Share of each range that codes cover, what lies beyond is clamped (QuaRot's clip ratio); 1 when absent. */
  readonly clip?: number;
}

/** Options of {@linkcode rtn}. */
export interface RtnOptions<G extends Granularity> {
  /** 2 to 8. */
  readonly bits: number;
  /** Default `"group"` when `groupSize` is given. */
  readonly granularity?: G;
  /** Values per group; -1 or absent means whole rows. */
  readonly groupSize?: number;
  /** Default false: codes from the smallest to the largest value. */
  readonly symmetric?: boolean;
  /** Codes of symmetric quantizers (default `"signed"`); `"unshifted"` is for asymmetric weights. */
  readonly codes?: Rtn["codes"];
  /** Whether 0 is always representable (default true). */
  readonly zeroInRange?: boolean;
  /** Whether weight ranges shrink to the least error (default `"none"`). */
  readonly search?: "none" | "mse";
  /** Share of each range that codes cover, more than 0 (default 1). */
  readonly clip?: number;
}

const anyCodes = oneOf(["signed", "narrow", "offsetBinary", "unshifted"], "signed");
/** Schemes that were stored before call narrow codes restricted. */
const codes: Option<Rtn["codes"]> = {
  ...anyCodes,
  read: (name, value) => value === "restricted" ? "narrow" : anyCodes.read(name, value),
};

/** What {@linkcode rtn} accepts. */
export const rtnOptions: OptionTable<Rtn> = {
  bits: integer(2, 8),
  granularity: optional(oneOf(["tensor", "channel", "token", "group", "dimension", "span"])),
  symmetric: flag(false),
  codes,
  zeroInRange: flag(true),
  search: oneOf(["none", "mse"], "none"),
  groupSize: groupSizeOption(),
  clip: optional(number(0.01, 1)),
};

/**
 * Round to nearest with one scale per `granularity`.
 *
 * @example
 * ```ts
 * import { rtn } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { weights: rtn({ bits: 4, groupSize: 128 }), activations: rtn({ bits: 8, granularity: "token" }) };
 * assertEquals(scheme.weights.granularity, "group");
 * ```
 */
export function rtn<const G extends Granularity = "group">(options: RtnOptions<G>): Rtn<G> {
  const { method, bits, granularity: given, ...rest } = readOptions<Rtn>("rtn", rtnOptions, options);
  const granularity = given ?? (rest.groupSize === undefined ? "channel" : "group");
  const grouped = granularity === "group" || granularity === "span";
  if (grouped !== (rest.groupSize !== undefined)) {
    const expected = grouped ? groupSizeOption().expected : "none";
    throw refused("groupSize", rest.groupSize, `${expected} with granularity "${granularity}"`);
  }
  requireUnshifted({ bits, ...rest });
  return { method, bits, granularity: granularity as G, ...rest };
}

/** The uniform quantizer that a scheme asks for. */
export function ruleOf({ bits, symmetric, codes, zeroInRange, clip }: Rtn): WeightRule {
  const mode = !symmetric ? "asymmetric" : codes === "offsetBinary" ? "offsetBinary" : "symmetric";
  return { bits, mode, zeroInRange, narrow: codes === "narrow", ...clip !== undefined && { clip } };
}

/** Codes, scales and zero points of a weight `[out, in]`. */
export function quantizeRows(weight: Matrix, scheme: Rtn): UniformWeight {
  const { rows, columns, data } = weight;
  const rule = ruleOf(scheme);
  const groupSize = scheme.granularity === "tensor" ? data.length : scheme.groupSize ?? columns;
  if (columns % groupSize !== 0 && groupSize !== data.length) {
    throw new SchemeError("shape", `groupSize ${groupSize} does not divide ${columns} input features`);
  }
  const fit = scheme.search === "mse" ? fitLeastError : fitRange;
  const groups = data.length / groupSize;
  const scales = new Float32Array(groups),
    zeros = new Uint8Array(groups),
    codes = new Uint8Array(data.length);
  // Signed codes are stored with an offset; their zero point is the offset.
  const forgets = scheme.codes === "unshifted", bits = rule.bits + (forgets ? 1 : 0);
  const signed = forgets || rule.mode === "symmetric", offset = signed ? 2 ** (bits - 1) : 0;
  for (let group = 0; group < groups; group++) {
    const start = group * groupSize;
    const fitted = fit(data, start, groupSize, rule);
    const quantizer = forgets ? unshifted(fitted, rule.bits) : fitted;
    scales[group] = quantizer.scale;
    zeros[group] = quantizer.zero + offset;
    for (let i = start; i < start + groupSize; i++) codes[i] = encode(data[i], quantizer) + offset;
  }
  const shape = [rows, columns] as const;
  return new UniformWeight({
    shape,
    bits,
    groupSize,
    codes,
    scales,
    zeros: rule.mode === "asymmetric" && !forgets ? zeros : zeros[0],
  });
}

const weights: WeightMethod<Rtn<"tensor" | "channel" | "group">> = {
  needs: "nothing",
  quantize: (weight, scheme) => quantizeRows(weight, scheme),
};

/** Which elements share a range, as the device wants it. */
export function layoutOf(
  { rows, columns, heads }: OperandView,
  { granularity, groupSize }: Rtn,
): QuantizeLayout {
  const vectors = { rows: rows * heads, columns: columns / heads }, size = groupSize ?? columns;
  switch (granularity) {
    case "tensor":
      return { rows, columns, axis: "tensor" };
    case "channel":
      return { rows, columns, axis: "column" };
    case "dimension":
      return { ...vectors, axis: "column" };
    case "token":
      return { ...vectors, axis: "row" };
    case "group":
      return { ...vectors, axis: "row", groupSize };
    case "span":
      if (rows * columns % size === 0) return { rows: rows * columns / size, columns: size, axis: "row" };
      throw new SchemeError(
        "shape",
        `groupSize ${size} does not divide the ${columns} values of ${rows} tokens`,
      );
  }
}

const operand: OperandMethod<Rtn> = {
  apply: (device, x, view, scheme) => device.fakeQuantize(x, x, ruleOf(scheme), layoutOf(view, scheme)),
};

/** Round to nearest, for the registry. */
export const rtnMethod: MethodWith<
  { weights: WeightMethod<Rtn<"tensor" | "channel" | "group">>; operand: OperandMethod<Rtn> }
> = {
  name: "rtn",
  paper: {
    title: "A White Paper on Neural Network Quantization",
    authors: "Nagel et al. 2021",
    link: "https://arxiv.org/abs/2106.08295",
  },
  options: rtnOptions,
  parse(options, part) {
    const scheme = rtn(options as unknown as RtnOptions<Granularity>);
    if (part === "operand" && scheme.codes === "unshifted") {
      throw refused("codes", scheme.codes, "signed, narrow or offsetBinary of what is rounded on the fly");
    }
    if (part === "weights" && scheme.granularity === "span") {
      throw refused("granularity", "span", "tensor, channel or group of weights");
    }
    return scheme;
  },
  weights,
  operand,
};
