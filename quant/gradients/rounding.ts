/**
 * Rounding with its derivative: a uniform grid over the range of each group, the range shrunk by learned shares. The code's rounding counts
 * as the identity (straight-through); the derivative goes through the scale to the extremes of the group and to the shares, and stops at
 * the zero point, which is rounded too.
 *
 * Source: OmniQuant (Shao et al., ICLR 2024), eq. 2, and its code (`quantize/quantizer.py`). With `M`, `m` the extremes of a group and
 * logits `u`, `l`:
 *
 *     s = clamp((sigmoid(u) M - sigmoid(l) m) / (2^b - 1), 1e-5, 1e4)   z = round(-sigmoid(l) m / s)
 *     q = clamp(round(x / s) + z, 0, 2^b - 1)                            y = (q - z) s
 */
import { exp } from "../../base/elementary.ts";
import { roundHalfEven } from "../../kernels/round.ts";

const f32 = Math.fround;

/** What values are rounded to. */
export interface RangeRule {
  /** Bits of a code. */
  readonly bits: number;
  /** Whether the range is symmetric about 0; then `2^(b-1) - 1` is the code of 0. */
  readonly symmetric?: boolean;
  /** Whether codes are signed, with one more below 0 than above, and 0 the code of 0 whatever the range. */
  readonly signed?: boolean;
  /** Whether the range has one level more, so that there are as many codes above the middle as below (ABQ-LLM's bit balance). */
  readonly balanced?: boolean;
}

/** Shares of the range that codes cover, as logits: one per group. */
export interface ClipLogits {
  /** Of the largest value. */
  readonly upper: Float32Array;
  /** Of the smallest value. */
  readonly lower: Float32Array;
}

/** Gradients of a rounding. */
export interface RoundingGradient {
  /** With respect to the values. */
  readonly x: Float32Array;
  /** With respect to the logits, where there are any. */
  readonly clip: ClipLogits | null;
}

/** Rounded values. */
export interface Rounding {
  /** What the codes stand for, of the input's length. */
  readonly values: Float32Array;
  /** From `lowest` of the rule on. */
  readonly codes: Int16Array;
  /** One per group: distance of neighbouring values. */
  readonly scales: Float32Array;
  /** One per group: the code of 0. */
  readonly zeros: Float32Array;
  /** Gradients, given that of the values. */
  back(dy: Float32Array): RoundingGradient;
}

/** The least and the greatest code of a rule, and how many steps its range has. */
export function codesOf(
  { bits, symmetric = false, signed = false, balanced = false }: RangeRule,
): { lowest: number; highest: number; steps: number } {
  const half = 2 ** (bits - 1), most = balanced ? 2 ** bits : 2 ** bits - 1;
  // A symmetric range of one bit has one step, not none.
  const steps = symmetric ? Math.max(half - 1, 1) : most;
  return signed ? { lowest: -half, highest: half - 1, steps } : { lowest: 0, highest: most, steps };
}

/** Each step in float32, as libraries have it: a symmetric row with equal logits has its zero point half-way between two codes. */
const sigmoid = (x: number) => f32(1 / f32(1 + f32(exp(-x))));

/**
 * Rounds groups of `size` consecutive values, each over its own range.
 *
 * @example
 * ```ts
 * import { roundRange } from "quantbook/quant";
 * import { assertEquals } from "@std/assert";
 *
 * const { codes, values } = roundRange(Float32Array.of(-1, 0, 0.9, 2), 4, { bits: 2 });
 * assertEquals([[...codes], [...values]], [[0, 1, 2, 3], [-1, 0, 1, 2]]);
 * ```
 */
export function roundRange(
  x: Float32Array,
  size: number,
  rule: RangeRule,
  clip: ClipLogits | null = null,
): Rounding {
  const groups = x.length / size, { lowest, highest, steps } = codesOf(rule);
  const { symmetric = false, signed = false } = rule;
  const values = new Float32Array(x.length), codes = new Int16Array(x.length);
  const scales = new Float32Array(groups), zeros = new Float32Array(groups);
  const extremes = new Float32Array(2 * groups);
  for (let group = 0; group < groups; group++) {
    const start = group * size;
    let least = Infinity, most = -Infinity;
    for (let i = start; i < start + size; i++) {
      if (x[i] < least) least = x[i];
      if (x[i] > most) most = x[i];
    }
    extremes[2 * group] = least;
    extremes[2 * group + 1] = most;
    if (clip !== null) {
      least = f32(sigmoid(clip.lower[group]) * least);
      most = f32(sigmoid(clip.upper[group]) * most);
    }
    const reach = symmetric ? Math.max(Math.abs(most), Math.abs(least)) : f32(most - least);
    const scale = f32(Math.min(Math.max(f32(reach / steps), 1e-5), 1e4));
    const zero = signed
      ? 0
      : symmetric
      ? steps
      : roundHalfEven(Math.min(Math.max(f32(-least / scale), -1e4), 1e4)) + 0;
    scales[group] = scale;
    zeros[group] = zero;
    for (let i = start; i < start + size; i++) {
      const code = Math.min(Math.max(roundHalfEven(f32(x[i] / scale)) + zero, lowest), highest);
      codes[i] = code;
      values[i] = (code - zero) * scale;
    }
  }
  return {
    values,
    codes,
    scales,
    zeros,
    back: (dy) => backward(dy, { x, size, rule, clip, scales, zeros, extremes }),
  };
}

interface Kept {
  readonly x: Float32Array;
  readonly size: number;
  readonly rule: RangeRule;
  readonly clip: ClipLogits | null;
  readonly scales: Float32Array;
  readonly zeros: Float32Array;
  /** Smallest and largest value of each group, before clipping. */
  readonly extremes: Float32Array;
}

function backward(
  dy: Float32Array,
  { x, size, rule, clip, scales, zeros, extremes }: Kept,
): RoundingGradient {
  const { lowest, highest, steps } = codesOf(rule), { symmetric = false } = rule;
  const dx = new Float32Array(x.length), groups = scales.length;
  const upper = new Float32Array(clip === null ? 0 : groups), lower = new Float32Array(upper.length);
  for (let group = 0; group < groups; group++) {
    const start = group * size, scale = scales[group], zero = zeros[group];
    let dScale = 0;
    for (let i = start; i < start + size; i++) {
      const exact = f32(x[i] / scale), free = roundHalfEven(exact) + zero;
      const inside = free >= lowest && free <= highest;
      const code = Math.min(Math.max(free, lowest), highest);
      dScale += dy[i] * (code - zero - (inside ? exact : 0));
      if (inside) dx[i] = dy[i];
    }
    const least = extremes[2 * group], most = extremes[2 * group + 1];
    const up = clip === null ? 1 : sigmoid(clip.upper[group]),
      low = clip === null ? 1 : sigmoid(clip.lower[group]);
    const top = f32(up * most), bottom = f32(low * least);
    const reach = symmetric ? Math.max(Math.abs(top), Math.abs(bottom)) : f32(top - bottom);
    const unclamped = f32(reach / steps);
    // The bounds of the scale let the gradient through when they are met exactly.
    if (unclamped < f32(1e-5) || unclamped > 1e4) continue;
    const dReach = dScale / steps;
    const [dTop, dBottom] = symmetric ? symmetricShares(top, bottom, dReach) : [dReach, -dReach];
    if (clip !== null) {
      upper[group] = dTop * most * up * (1 - up);
      lower[group] = dBottom * least * low * (1 - low);
    }
    spread(dx, x, start, size, most, dTop * up);
    spread(dx, x, start, size, least, dBottom * low);
  }
  return { x: dx, clip: clip === null ? null : { upper, lower } };
}

/** Derivatives of the larger magnitude; both ends share it where they are equal. */
function symmetricShares(top: number, bottom: number, d: number): [number, number] {
  const a = Math.abs(top), b = Math.abs(bottom), share = a === b ? d / 2 : d;
  return [a >= b ? share * Math.sign(top) : 0, b >= a ? share * Math.sign(bottom) : 0];
}

/** The derivative of an extreme belongs to all values that reach it, in equal parts. */
function spread(
  dx: Float32Array,
  x: Float32Array,
  start: number,
  size: number,
  extreme: number,
  d: number,
): void {
  let count = 0;
  for (let i = start; i < start + size; i++) if (x[i] === extreme) count++;
  for (let i = start; i < start + size; i++) if (x[i] === extreme) dx[i] += d / count;
}
