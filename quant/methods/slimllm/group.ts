/** The quantizers of one group of columns: a sign around the mean, or codes of a range that weighs salient entries. */
import { pow } from "../../../base/elementary.ts";
import { roundHalfEven } from "../../../kernels/round.ts";

/** A row of a group: `w^ = scale (code - zero)`. */
export interface RowQuantizer {
  readonly scale: number;
  readonly zero: number;
  /** The largest code. */
  readonly most: number;
}

const f32 = Math.fround;

/** The code of a value. */
export function codeOf(x: number, { scale, zero, most }: RowQuantizer): number {
  // One bit has no code of its own for 0: a sign around the mean.
  if (most === 1) return f32(x) >= f32(scale * f32(0.5 - zero)) ? 1 : 0;
  const code = roundHalfEven(f32(f32(x) / scale)) + zero;
  return code < 0 ? 0 : code > most ? most : code;
}

/** The value of a code. */
export function valueOf(code: number, { scale, zero }: RowQuantizer): number {
  return f32(f32(code - zero) * scale);
}

/** One bit: the mean, and the mean magnitude to either side of it (which is not that of the distances from the mean). */
export function fitSign(values: Float32Array): RowQuantizer {
  let sum = 0, size = 0;
  for (const value of values) {
    sum += value;
    size += Math.abs(value);
  }
  const mean = f32(sum / values.length), step = f32(size / values.length);
  // A row of equal values is its mean, to which nothing lies around.
  if (values.every((value) => value === values[0])) {
    return { scale: Math.abs(mean), zero: mean < 0 ? 1 : 0, most: 1 };
  }
  return { scale: 2 * step, zero: 0.5 - mean / (2 * step), most: 1 };
}

/** A range with 0 in it, from the smallest to the largest value; `fixed` puts the zero point in the middle of the codes. */
export function fitRange(values: Float32Array, bits: number, share = 1, fixed = false): RowQuantizer {
  let least = 0, most = 0;
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (least === 0 && most === 0) [least, most] = [-1, 1];
  const top = 2 ** bits - 1, scale = f32(f32(f32(share * most) - f32(share * least)) / top);
  return {
    scale,
    zero: fixed ? (top + 1) / 2 : roundHalfEven(f32(f32(-f32(share * least)) / scale)),
    most: top,
  };
}

/** Shares of the range that are tried: the whole, 50 steps up to 1.1, 50 steps down to 0.9; as float32 has them. */
const shares: readonly number[] = [
  1,
  ...Array.from({ length: 50 }, (_, i) => f32(1 + 0.1 * (i + 1) / 50)),
  ...Array.from({ length: 50 }, (_, i) => f32(1 - 0.1 * (i + 1) / 50)),
];

const single = new Float32Array(1), bits32 = new Uint32Array(single.buffer);
/** `2.4` as a power of the middles of 64 parts of [1, 2), with the coefficients of its series there; and of powers of two. */
const middles = Float64Array.from({ length: 64 }, (_, i) => 1 + (i + 0.5) / 64);
const powers = middles.map((m) => pow(m, 2.4));
const scales = Float64Array.from({ length: 256 }, (_, exponent) => pow(2, 2.4 * (exponent - 127)));

/**
 * `e^2.4` of a float32 number from 0 on, to `1e-11` of it: four terms of the series around the nearest of 64 points, as a search of a hundred
 * ranges asks for it a hundred times for each weight.
 */
export function cost(e: number): number {
  single[0] = e;
  const word = bits32[0], exponent = word >>> 23;
  if (exponent === 0) return 0;
  bits32[0] = (word & 0x7fffff) | 0x3f800000;
  const at = (word >>> 17) & 63, d = single[0] / middles[at] - 1;
  const series = 1 + d * (2.4 + d * (1.68 + d * (0.224 + d * (-0.0336 + d * 0.010752))));
  return powers[at] * series * scales[exponent];
}

/** The first of the shares with the least `sum |e|^2.4`, salient entries `weight` times (SQC). */
export function calibrateRange(
  values: Float32Array,
  bits: number,
  fixed: boolean,
  salient: Uint8Array | null,
  weight: number,
): RowQuantizer {
  let best = fitRange(values, bits, 1, fixed), least = Infinity;
  for (const share of shares) {
    const candidate = fitRange(values, bits, share, fixed);
    let error = 0;
    for (let j = 0; j < values.length && error < least; j++) {
      const one = cost(Math.abs(valueOf(codeOf(values[j], candidate), candidate) - values[j]));
      error += salient?.[j] === 1 ? weight * one : one;
    }
    if (error < least) [best, least] = [candidate, error];
  }
  return best;
}

/**
 * Which entries of a group are salient: those not below the smallest one whose salience lies more than `sigma` standard deviations from the
 * mean of the group; none, where there is no such entry.
 */
export function salientEntries(salience: Float32Array, sigma: number): Uint8Array {
  const count = salience.length;
  let mean = 0, square = 0;
  for (const one of salience) mean += one / count;
  for (const one of salience) square += (one - mean) ** 2;
  const deviation = Math.sqrt(square / (count - 1));
  let least = Infinity;
  for (const one of salience) if (Math.abs(one - mean) > sigma * deviation) least = Math.min(least, one);
  return Uint8Array.from(salience, (one) => one >= least ? 1 : 0);
}
