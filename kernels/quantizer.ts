/** Derives a uniform quantizer from the range of its values: the float32 arithmetic that all devices share bit for bit. */

import type { UniformRule } from "./codes.ts";
import { DeviceError } from "./error.ts";
import { roundHalfEven } from "./round.ts";

const { fround, abs, min, max } = Math;

/** A uniform quantizer: `q = clamp(round(x / scale) + zero, lowest, highest)`, `x^ = scale * (q - zero)`. */
export interface UniformQuantizer {
  /** Distance of neighbouring values. */
  readonly scale: number;
  /** The code of value 0. */
  readonly zero: number;
  /** The least code. */
  readonly lowest: number;
  /** The greatest code. */
  readonly highest: number;
}

/** Throws a {@linkcode DeviceError} when `rule` names no quantizer: bits 1 to 16, at least 2 with a sign; clip above 0, to 1. */
export function checkRule(op: string, rule: UniformRule): void {
  const fewest = rule.mode === "asymmetric" ? 1 : 2;
  if (!Number.isInteger(rule.bits) || rule.bits < fewest || rule.bits > 16) {
    throw new DeviceError("rule", `${op}: cannot quantize to ${rule.bits} bits: expected ${fewest} to 16`);
  }
  const { clip = 1 } = rule;
  if (!(clip > 0 && clip <= 1)) {
    throw new DeviceError("rule", `${op}: clip is ${clip}: expected more than 0, to 1`);
  }
}

/**
 * The quantizer of a range `[lowest, highest]` of float32 values, each step rounded to float32 (SPEC 2.1).
 *
 * - Both ends are multiplied by the rule's `clip` first.
 * - The range is widened to contain 0 when the rule asks for it, when the mode is `symmetric` or `offsetBinary`
 *   (whose codes have a zero in any case), and when it is a single value, which then is the end of the range.
 * - A range that is empty (all values 0), or so narrow that the scale underflows to 0, counts as `[-1, 1]`.
 * - NaN or infinite values in the range give a scale of NaN or Infinity, which makes all its values NaN.
 */
export function uniformQuantizer(lowest: number, highest: number, rule: UniformRule): UniformQuantizer {
  const clip = fround(rule.clip ?? 1), least = fround(lowest * clip), most = fround(highest * clip);
  const widen = rule.zeroInRange || rule.mode !== "asymmetric" || least === most;
  const low = widen ? min(least, 0) : least;
  const high = widen ? max(most, 0) : most;
  const quantizer = low === 0 && high === 0 ? fromRange(-1, 1, rule) : fromRange(low, high, rule);
  return quantizer.scale === 0 ? fromRange(-1, 1, rule) : quantizer;
}

function fromRange(low: number, high: number, { bits, mode }: UniformRule): UniformQuantizer {
  const absmax = max(abs(low), high);
  if (mode === "symmetric") {
    const top = 2 ** (bits - 1) - 1;
    return { scale: fround(absmax / top), zero: 0, lowest: -top - 1, highest: top };
  }
  const top = 2 ** bits - 1;
  if (mode === "offsetBinary") {
    const bottom = low < 0 ? -absmax : low;
    return { scale: fround(fround(absmax - bottom) / top), zero: 2 ** (bits - 1), lowest: 0, highest: top };
  }
  const scale = fround(fround(high - low) / top);
  // Adding 0 turns -0 into 0.
  return { scale, zero: roundHalfEven(fround(-low / scale)) + 0, lowest: 0, highest: top };
}

/** `x^` of one float32 value, in float32 arithmetic. */
export function fakeQuantizeValue(x: number, { scale, zero, lowest, highest }: UniformQuantizer): number {
  const code = min(max(fround(roundHalfEven(fround(x / scale)) + zero), lowest), highest);
  return fround(scale * fround(code - zero));
}
