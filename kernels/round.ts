/** Round-half-to-even, the rounding of every quantizer here: adding 1.5 * 2^52 leaves no room for a fraction. */

const shift = 1.5 * 2 ** 52;

/**
 * Rounds to the nearest integer, ties to the even one, as `torch.round`, `numpy.rint` and `f32x4.nearest` do.
 * (`Math.round` rounds ties up.) The sign of zero is kept; NaN and the infinities are returned as they are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { roundHalfEven } from "./round.ts";
 *
 * assertEquals([0.5, 1.5, 2.5, -2.5].map(roundHalfEven), [0, 2, 2, -2]);
 * ```
 */
export function roundHalfEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 51)) return x;
  const rounded = (x + shift) - shift;
  return rounded === 0 ? x * 0 : rounded;
}
