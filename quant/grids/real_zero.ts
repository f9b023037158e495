/** A uniform grid whose zero point is a real number. */
import { roundHalfEven } from "../../kernels/round.ts";
import type { Precision } from "./precision.ts";

/** `x^ = scale * (code - zero)`. The zero point is not rounded: 0 has no code of its own, and the range may lie anywhere. */
export interface RealZeroQuantizer {
  /** Distance of neighbouring values. */
  readonly scale: number;
  /** Where 0 lies on the scale of codes. */
  readonly zero: number;
}

const f32 = Math.fround;

/**
 * The quantizer of the range `[least, most]`. A range that is a single value is widened to contain 0, and the empty one
 * gets scale 0: both are then exact. (The reference code takes [-1, 1] instead, where a group of zeros comes back as
 * 0.14, having no code for 0.) So is a range so narrow beside its distance from 0 that float16 could not hold the zero.
 */
export function fitRealZero(
  least: number,
  most: number,
  bits: number,
  precision: Precision,
): RealZeroQuantizer {
  const narrow = precision === "float16" ? 2 ** -8 * Math.max(Math.abs(least), Math.abs(most)) : 0;
  if (most - least <= narrow) [least, most] = [Math.min(least, 0), Math.max(most, 0)];
  const scale = f32(f32(f32(most) - f32(least)) / (2 ** bits - 1));
  return { scale, zero: scale === 0 ? 0 : f32(-f32(least) / scale) };
}

/** The code of a value, from 0 to `2^bits - 1`. */
export function encodeRealZero(x: number, { scale, zero }: RealZeroQuantizer, bits: number): number {
  const code = roundHalfEven(f32(f32(f32(x) / Math.max(scale, 1e-9)) + zero));
  return Math.min(Math.max(code, 0), 2 ** bits - 1);
}

/** The value of a code. */
export function decodeRealZero(code: number, { scale, zero }: RealZeroQuantizer): number {
  return f32(scale * f32(code - zero));
}
