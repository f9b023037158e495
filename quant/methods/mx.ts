/**
 * Microscaling formats: blocks of 32 small floats, or 8-bit integers, that share a power of two (Rouhani et al., "Microscaling data formats
 * for deep learning", 2023; OCP Microscaling Formats (MX) 1.0, section 6.3).
 *
 *     X = 2^(floor(log2 absmax) - emax),    x^ = X E(x / X)
 *
 * with `emax` the exponent of the element's largest number. This is the specification's conversion, `scaleRule: "floor"`; what lies beyond the
 * largest number then saturates. The other rules round the exponent otherwise, as libraries do: see {@linkcode Mx}.
 */
import { absMax, type BlockRule, roundOnDevice } from "../grids/blocks.ts";
import {
  exponentOf,
  floatBits,
  floatEncoder,
  floatFormats,
  type FloatName,
  floatValues,
  largestFloat,
  powerScales,
} from "../grids/float.ts";
import type { MethodWith, OperandMethod, WeightMethod } from "../method.ts";
import { integer, oneOf, type OptionTable, readOptions, type SuiteScheme } from "../options.ts";
import { tableWeight } from "../weights/table.ts";
import { vectorsOf } from "./fp8.ts";

/** A microscaling format as data. */
export interface Mx extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "mx";
  /** MXFP8 (`e4m3`, `e5m2`), MXFP6 (`e3m2`, `e2m3`), MXFP4 (`e2m1`), MXINT8 (`int8`); `int4` is not in the standard. */
  readonly element: FloatName;
  /**
   * The exponent of the scale, before `emax` is taken off. `floor`: of absmax, as the standard (torchao's FLOOR, microxcaling).
   * `ceil`: of the next power of two. `even`: of absmax rounded to the element's mantissa. `rceil`: the least with which absmax does
   * not saturate, computed exactly (NVIDIA's, torchao's RCEIL but for roundings of its logarithm). `compressedTensors`: that library's, which
   * rounds absmax up from mantissa 1.75 of FP4 and FP8, 1.9375 of E2M3 (so it is `even` of FP4 and FP6, and of FP8 nearly `rceil`).
   */
  readonly scaleRule: "floor" | "ceil" | "even" | "rceil" | "compressedTensors";
  /** Elements go to the nearest number, ties to even or away from zero (microxcaling's default), or all towards zero. */
  readonly rounding: "even" | "away" | "zero";
  /** Values that share a scale, along a row; the standard has 32. */
  readonly blockSize: number;
}

/** What {@linkcode mx} accepts. */
export const mxOptions: OptionTable<Mx> = {
  element: oneOf(["e4m3", "e5m2", "e3m2", "e2m3", "e2m1", "int8", "int4"]),
  scaleRule: oneOf(["floor", "ceil", "even", "rceil", "compressedTensors"], "floor"),
  rounding: oneOf(["even", "away", "zero"], "even"),
  blockSize: integer(1, 1 << 20, 32),
};

/**
 * Blocks of 32 elements and a power of two.
 *
 * @example
 * ```ts
 * import { mx, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme: Scheme = { weights: mx({ element: "e2m1" }), activations: mx({ element: "e4m3" }) };
 * assertEquals(scheme.weights, {
 *   method: "mx", element: "e2m1", scaleRule: "floor", rounding: "even", blockSize: 32,
 * });
 * ```
 */
export function mx(
  options: Pick<Mx, "element"> & Partial<Pick<Mx, "scaleRule" | "rounding" | "blockSize">>,
): Mx {
  return readOptions("mx", mxOptions, options);
}

const single = new Float32Array(1), bits = new Uint32Array(single.buffer);

/** `floor(log2)` of a float32 number after its mantissa was rounded half up to so many bits. */
function roundedExponent(x: number, mantissaBits: number): number {
  single[0] = x;
  bits[0] += 1 << (22 - mantissaBits);
  return exponentOf(single[0]);
}

/** The exponent of a block's scale, from -127 to 127; -127 of a block of zeros. */
export function scaleExponent(
  most: number,
  { element, scaleRule }: Pick<Mx, "element" | "scaleRule">,
): number {
  const format = floatFormats[element], largest = largestFloat(format);
  const clamp = (exponent: number) => Math.min(Math.max(exponent - exponentOf(largest), -127), 127);
  if (most === 0) return -127;
  const floor = exponentOf(most);
  switch (scaleRule) {
    case "floor":
      return clamp(floor);
    case "ceil":
      return clamp(most === 2 ** floor ? floor : floor + 1);
    case "rceil":
      return clamp(most > largest * 2 ** (floor - exponentOf(largest)) ? floor + 1 : floor);
    case "even":
      return clamp(roundedExponent(most, format.mantissaBits));
    case "compressedTensors":
      return clamp(roundedExponent(most, element === "e4m3" || element === "e5m2" ? 1 : format.mantissaBits));
  }
}

/** Blocks along the rows of a matrix, each with the byte of an E8M0 scale. */
export function mxRule(scheme: Mx): BlockRule {
  const format = floatFormats[scheme.element];
  const round = floatEncoder(format, { ties: scheme.rounding });
  return {
    bits: floatBits(format),
    values: floatValues(format),
    block: [1, scheme.blockSize],
    scaleValues: powerScales,
    fit(values) {
      const exponent = scaleExponent(absMax(values), scheme), scale = 2 ** exponent;
      // Division by a power of two is exact.
      return { scale, scaleCode: exponent + 127, encode: (x) => round(x / scale) };
    },
  };
}

const weights: WeightMethod<Mx> = {
  needs: "nothing",
  quantize: (weight, scheme) => tableWeight(weight, mxRule(scheme)),
};

const operand: OperandMethod<Mx> = {
  apply: (device, x, view, scheme) => roundOnDevice(device, x, vectorsOf(view), () => mxRule(scheme)),
};

/** Microscaling formats, for the registry. */
export const mxMethod: MethodWith<{ weights: WeightMethod<Mx>; operand: OperandMethod<Mx> }> = {
  name: "mx",
  paper: {
    title: "Microscaling Data Formats for Deep Learning",
    authors: "Rouhani et al. 2023",
    link: "https://arxiv.org/abs/2310.10537",
  },
  options: mxOptions,
  shortGroups: true,
  parse: (options) => mx(options as unknown as Parameters<typeof mx>[0]),
  weights,
  operand,
};
