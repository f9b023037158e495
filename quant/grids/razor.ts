/**
 * Significant data razoring: the second stage of QRazor (Lee, Choi, Chang 2025, arXiv:2501.13331, section 3).
 *
 * Integers of a wide base quantizer come in groups. The leading one of the group's largest magnitude says how many low
 * bits the whole group can do without: with a magnitude of `n` bits and `r` bits to keep (the sign is one of them),
 * `n + 1 - r` bits are dropped. A group of small numbers drops nothing, so it keeps the full precision of the base.
 */
import { log2 } from "../../base/elementary.ts";
import type { UniformRule } from "../../kernels/codes.ts";
import { type UniformQuantizer, uniformQuantizer } from "../../kernels/quantizer.ts";
import { range } from "./uniform.ts";

/**
 * Two published versions of the rounding, which differ where it carries into the sign's bit:
 * - `"june"` (the code of June 2025, behind the README's tables): magnitudes in the top sixteenth of the group's binade
 *   are cut off instead of rounded, so that codes run from `-(2^(r-1) - 1)` to `2^(r-1) - 1`.
 * - `"head"` (the code as it is now): all are rounded; a positive carry saturates, a negative one is kept, so that codes
 *   run from `-2^(r-1)` to `2^(r-1) - 1`.
 */
export type RazorVariant = "june" | "head";

/** How integers are razored. */
export interface RazorRule {
  /** Bits that are kept, the sign included. */
  readonly bits: number;
  /** Bits of the base quantizer. */
  readonly baseBits: number;
  /** Which of the two published versions rounds. */
  readonly variant: RazorVariant;
}

/**
 * Razors `count` integers from `start`, `stride` apart, in place, and returns how many low bits they lost: all become
 * multiples of 2 to that power.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { razor } from "./razor.ts";
 *
 * const codes = Int32Array.of(127, -120, 60, 5);
 * assertEquals(razor(codes, 0, 4, 1, { bits: 4, baseBits: 8, variant: "head" }), 4);
 * assertEquals(codes, Int32Array.of(112, -128, 64, 0));
 * ```
 */
export function razor(
  codes: Int32Array,
  start: number,
  count: number,
  stride: number,
  { bits, variant }: RazorRule,
): number {
  const end = start + count * stride;
  let union = 0;
  // `code >> 31` is -1 for negative codes: magnitudes and signs without branches, which random signs would mispredict.
  for (let i = start; i < end; i += stride) union |= (codes[i] ^ (codes[i] >> 31)) - (codes[i] >> 31);
  const length = 32 - Math.clz32(union);
  if (length < bits) return 0;
  const dropped = length + 1 - bits;
  const half = (1 << (dropped - 1)) - 1;
  const top = variant === "june" ? (1 << length) - (1 << (length - 4)) : 0x7fffffff;
  for (let i = start; i < end; i += stride) {
    const negative = codes[i] >> 31;
    const magnitude = (codes[i] ^ negative) - negative;
    let kept = magnitude >> dropped;
    // Half-even: the bit that will be the lowest decides ties.
    if (magnitude < top) kept = (magnitude + half + (kept & 1)) >> dropped;
    // A positive carry into the bit of the sign saturates.
    kept -= (kept >> (bits - 1)) & (negative + 1);
    codes[i] = ((kept << dropped) ^ negative) - negative;
  }
  return dropped;
}

/** The number of different shifts that {@linkcode razor} can return, in bits: what one group's flag takes. */
export function flagBits({ bits, baseBits }: RazorRule): number {
  // No shift, or 1 to baseBits + 1 - bits.
  return Math.ceil(log2(baseBits + 2 - bits));
}

/** A base quantizer: signed integers from `lowest - zero` to `highest - zero`. */
export interface Base extends RazorRule {
  readonly symmetric: boolean;
}

/** The base quantizer of a range. Only the scale and the limits of the codes depend on the variant. */
export function baseQuantizer(least: number, most: number, base: Base): UniformQuantizer {
  const quantizer = uniformQuantizer(least, most, ruleOf(base));
  if (base.symmetric) {
    return base.variant === "june" ? { ...quantizer, lowest: -quantizer.highest } : quantizer;
  }
  // HEAD razors asymmetric codes around 0 instead of around the zero point, with one more bit of magnitude.
  return base.variant === "june" ? quantizer : { ...quantizer, zero: 0, lowest: -quantizer.highest };
}

/** The rule whose range and scale a base quantizer has. */
export function ruleOf({ baseBits, symmetric }: Base): UniformRule {
  return { bits: baseBits, mode: symmetric ? "symmetric" : "asymmetric", zeroInRange: true };
}

/** The base quantizer of `count` values from `start`. */
export function fitBase(values: Float32Array, start: number, count: number, base: Base): UniformQuantizer {
  const [least, most] = range(values, start, count, ruleOf(base));
  return baseQuantizer(least, most, base);
}

/** Writes the signed codes of `count` values from `start` to `codes[at]` and on. */
export function encodeBase(
  values: Float32Array | Float64Array,
  start: number,
  count: number,
  { scale, zero, lowest, highest }: UniformQuantizer,
  codes: Int32Array,
  at: number,
): void {
  const least = lowest - zero, most = highest - zero;
  for (let i = 0; i < count; i++) {
    // Half-even rounding, as in kernels/round.ts, without its care for infinities: ranges are finite.
    const code = (Math.fround(values[start + i] / scale) + 6755399441055744) - 6755399441055744;
    codes[at + i] = code < least ? least : code > most ? most : code;
  }
}
