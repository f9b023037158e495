/** Uniform quantizers of groups of weights on the host: the plain range, or the range with the least error. */
import { pow } from "../../base/elementary.ts";
import type { UniformRule } from "../../kernels/codes.ts";
import { type UniformQuantizer, uniformQuantizer } from "../../kernels/quantizer.ts";
import { roundHalfEven } from "../../kernels/round.ts";
import { refused } from "../options.ts";

/** A uniform rule of weights. */
export interface WeightRule extends UniformRule {
  /** Symmetric codes without the lowest one: `[-top, top]`. It only matters when the range is shrunk. */
  readonly narrow?: boolean;
}

function quantizerOf(least: number, most: number, rule: WeightRule): UniformQuantizer {
  const quantizer = uniformQuantizer(least, most, rule);
  return rule.narrow ? { ...quantizer, lowest: -quantizer.highest } : quantizer;
}

/** Refuses codes without a zero point where they would have no bit more, or no range that they forget the zero point of. */
export function requireUnshifted({ bits, symmetric, codes }: {
  readonly bits: number;
  readonly symmetric: boolean;
  readonly codes: string;
}) {
  if (codes !== "unshifted" || !symmetric && bits < 8) return;
  throw refused("codes", codes, "signed, narrow or offsetBinary with symmetric, or with 8 bits");
}

/**
 * A quantizer that forgets its zero point: steps of an asymmetric range of `bits` bits under signed codes of one bit more, from `-2^bits` on.
 * SpinQuant's code (`fake_quantize` with `--w_asym`) rounds so: it calls 5 bits 4, and its clip search makes steps finer and clips nothing.
 */
export function unshifted(fitted: UniformQuantizer, bits: number): UniformQuantizer {
  return { ...fitted, zero: 0, lowest: -(2 ** bits), highest: 2 ** bits - 1 };
}

/** Smallest and largest of `count` values from `start`, `stride` apart; 0 counts when the rule says so. */
export function range(
  data: Float32Array,
  start: number,
  count: number,
  rule: UniformRule,
  stride = 1,
): [least: number, most: number] {
  let least = rule.zeroInRange ? 0 : Infinity;
  let most = rule.zeroInRange ? 0 : -Infinity;
  for (let i = start; i < start + count * stride; i += stride) {
    least = Math.min(least, data[i]);
    most = Math.max(most, data[i]);
  }
  return [least, most];
}

/** The code of a value: an integer, negative only in symmetric rules. */
export function encode(x: number, { scale, zero, lowest, highest }: UniformQuantizer): number {
  const code = roundHalfEven(Math.fround(x / scale)) + zero;
  return code < lowest ? lowest : code > highest ? highest : code;
}

/** The value of a code. */
export function decode(code: number, { scale, zero }: UniformQuantizer): number {
  return Math.fround(scale * (code - zero));
}

/** The quantizer of the values' range. */
export function fitRange(
  data: Float32Array,
  start: number,
  count: number,
  rule: WeightRule,
  stride = 1,
): UniformQuantizer {
  const [least, most] = range(data, start, count, rule, stride);
  return quantizerOf(least, most, rule);
}

/** The quantizer with the least error `sum |x^ - x|^2.4` that {@linkcode shrinkRange} finds. */
export function fitLeastError(
  data: Float32Array,
  start: number,
  count: number,
  rule: WeightRule,
  stride = 1,
): UniformQuantizer {
  const errorOf = (candidate: UniformQuantizer, limit: number) => {
    let error = 0;
    for (let j = start; j < start + count * stride && error < limit; j += stride) {
      error += pow(Math.abs(decode(encode(data[j], candidate), candidate) - data[j]), 2.4);
    }
    return error;
  };
  const extremes = range(data, start, count, rule, stride);
  return shrinkRange(extremes, (least, most) => quantizerOf(least, most, rule), errorOf);
}

/**
 * The quantizer among those of 80 shrunken ranges, from the whole one down to a fifth, with the least error; the first of
 * equals (the reference's `mse` search, SPEC section 2.1). `errorOf` may give up beyond the limit, the least error so far.
 */
export function shrinkRange(
  [least, most]: readonly [least: number, most: number],
  quantizerOf: (least: number, most: number) => UniformQuantizer,
  errorOf: (candidate: UniformQuantizer, limit: number) => number,
): UniformQuantizer {
  let best = quantizerOf(least, most), bestError = Infinity;
  for (let i = 0; i < 80; i++) {
    const share = Math.fround(1 - i / 100);
    const candidate = quantizerOf(Math.fround(share * least), Math.fround(share * most));
    const error = errorOf(candidate, bestError);
    if (error < bestError) [best, bestError] = [candidate, error];
  }
  return best;
}
