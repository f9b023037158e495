/**
 * Small floats: a sign, a few bits of exponent, a few of mantissa. Codes are bit patterns, the sign in the top bit.
 *
 * Sources: OCP 8-bit Floating Point Specification (OFP8) 1.0, 2023, table 1; OCP Microscaling Formats (MX) 1.0, 2023, tables 1 to 5.
 * Both leave some of what happens beyond the largest number to the implementer: see {@linkcode floatEncoder}.
 */
import { roundHalfEven } from "../../kernels/round.ts";
import { SchemeError } from "../error.ts";

/** A float of at most 8 bits. */
export interface FloatFormat {
  /** Bits of the exponent; with none, all codes are subnormal: integers with a sign, times a fixed power of two. */
  readonly exponentBits: number;
  /** Bits of the mantissa that are stored. */
  readonly mantissaBits: number;
  /** A number is `2^(exponent - bias) (1 + mantissa 2^-mantissaBits)`. */
  readonly bias: number;
  /** What the last codes are: numbers, one NaN (E4M3), or infinity and NaNs as in IEEE 754 (E5M2). */
  readonly ends: "numbers" | "nan" | "ieee";
}

/** A format with the bias of IEEE 754, `2^(exponentBits - 1) - 1`, whose codes are all numbers. */
export function floatFormat(exponentBits: number, mantissaBits: number): FloatFormat {
  const bias = exponentBits === 0 ? 0 : 2 ** (exponentBits - 1) - 1;
  return { exponentBits, mantissaBits, bias, ends: "numbers" };
}

/** The name of an element. */
export type FloatName = "e4m3" | "e5m2" | "e3m2" | "e2m3" | "e2m1" | "int8" | "int4";

/** The elements of block formats by name; `int8` and `int4` are MX's integers, with one bit before the point. */
export const floatFormats: Readonly<Record<FloatName, FloatFormat>> = {
  e4m3: { ...floatFormat(4, 3), ends: "nan" },
  e5m2: { ...floatFormat(5, 2), ends: "ieee" },
  e3m2: floatFormat(3, 2),
  e2m3: floatFormat(2, 3),
  e2m1: floatFormat(2, 1),
  int8: floatFormat(0, 7),
  int4: floatFormat(0, 3),
};

/** Bits of a code. */
export function floatBits({ exponentBits, mantissaBits }: FloatFormat): number {
  return 1 + exponentBits + mantissaBits;
}

/** The code of the largest number. */
function largestCode({ exponentBits, mantissaBits, ends }: FloatFormat): number {
  const last = 2 ** (exponentBits + mantissaBits) - 1;
  return ends === "numbers" ? last : ends === "nan" ? last - 1 : last - 2 ** mantissaBits;
}

/** The largest number of a format: 448 of E4M3, 57344 of E5M2, 6 of E2M1. */
export function largestFloat(format: FloatFormat): number {
  return decodeFloat(largestCode(format), format);
}

/** What a code stands for. */
export function decodeFloat(code: number, format: FloatFormat): number {
  const { exponentBits, mantissaBits, bias, ends } = format;
  const sign = code >> (exponentBits + mantissaBits) ? -1 : 1;
  const size = code & (2 ** (exponentBits + mantissaBits) - 1);
  if (size > largestCode(format)) {
    return ends === "ieee" && size === largestCode(format) + 1 ? sign * Infinity : NaN;
  }
  const exponent = size >> mantissaBits, mantissa = size & (2 ** mantissaBits - 1);
  const steps = exponent === 0 ? mantissa : 2 ** mantissaBits + mantissa;
  return sign * steps * 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
}

/** What all codes stand for, in order: float32 holds them exactly. */
export function floatValues(format: FloatFormat): Float32Array {
  return Float32Array.from({ length: 2 ** floatBits(format) }, (_, code) => decodeFloat(code, format));
}

/** How {@linkcode floatEncoder} rounds. */
export interface FloatRounding {
  /** Where a value between two numbers goes: to the nearer one, ties to even or away from zero; or always towards zero. */
  readonly ties?: "even" | "away" | "zero";
  /**
   * What lies beyond the largest number: that number (`"saturate"`, as torch 2.13 for E4M3, and the conversions of GPUs with `satfinite`), or
   * what IEEE 754 has there, infinity or NaN (`"ieee"`, as ml_dtypes; as torch for E5M2). Formats of numbers only always saturate.
   */
  readonly overflow?: "saturate" | "ieee";
}

const wide = new Float64Array(1), halves = new Int32Array(wide.buffer);

/** `floor(log2 |x|)` of a normal float64; -1023 of 0. */
export function exponentOf(x: number): number {
  wide[0] = x;
  return ((halves[1] >>> 20) & 0x7ff) - 1023;
}

/**
 * Rounds values to codes of a format. Signed zero keeps its sign. NaN becomes the format's NaN.
 *
 * @throws {SchemeError} `values` (the function returned) for NaN where a format has none
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const encode = floatEncoder(floatFormats.e2m1);
 * // 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives: 2.5 and 5 are ties, 100 saturates.
 * assertEquals([2.5, 5, 100, -0.5].map((x) => decodeFloat(encode(x), floatFormats.e2m1)), [2, 4, 6, -0.5]);
 * ```
 */
export function floatEncoder(
  format: FloatFormat,
  { ties = "even", overflow = "saturate" }: FloatRounding = {},
): (x: number) => number {
  const { exponentBits, mantissaBits, bias, ends } = format;
  const fixed = exponentBits === 0,
    perBinade = 2 ** mantissaBits,
    least = 1 - bias,
    largest = largestCode(format),
    negative = 2 ** (floatBits(format) - 1);
  const binades = (largest >> mantissaBits) + 1;
  const beyond = overflow === "ieee" && ends !== "numbers" ? largest + 1 : largest;
  // Numbers from 2^(least + i) on are as many steps of 2^(least + i - mantissaBits); below, all steps are equal.
  const perStep = Array.from({ length: binades }, (_, i) => 2 ** (mantissaBits - least - i));
  const round = ties === "even" ? roundHalfEven : ties === "away"
    // microxcaling adds half in float32, where the number below one half becomes 1; here it becomes 0.
    ? (steps: number) => Math.floor(steps + 0.5)
    : Math.floor;
  return (x) => {
    wide[0] = x;
    const high = halves[1], exponent = ((high >>> 20) & 0x7ff) - 1023, sign = high < 0 ? negative : 0;
    if (x !== x) {
      if (ends !== "numbers") return negative - 1;
      throw new SchemeError("values", "a value is NaN: expected a number, as the format has no code for NaN");
    }
    const binade = fixed ? 0 : Math.max(exponent - least, 0);
    if (binade >= binades || exponent === 1024) return sign + beyond;
    const code = binade * perBinade + round(Math.abs(x) * perStep[binade]);
    return sign + (code > largest ? beyond : code);
  };
}

/** What the bytes of an E8M0 scale stand for: powers of two from 2^-127 to 2^127, then NaN. */
export const powerScales: Float32Array = Float32Array.from(
  { length: 256 },
  (_, byte) => byte === 255 ? NaN : 2 ** (byte - 127),
);
