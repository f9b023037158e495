/** Precisions in which scales, minima and outliers are stored. */
/** What scales, minima and everything else that is not a code is computed and stored in. */
export type Precision = "float16" | "float32";

/** Values in one of the two precisions. */
export type Values = Float16Array | Float32Array;

/** Zeros in the given precision. */
export function valuesOf(precision: Precision, length: number): Values {
  return precision === "float16" ? new Float16Array(length) : new Float32Array(length);
}

/** Rounds to a storage precision. */
export function stored(x: number, storage: Precision): number {
  return storage === "float16" ? Math.f16round(x) : Math.fround(x);
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);
const smallestNormal = 2 ** -14;
const shift = 1.5 * 2 ** 28;

/**
 * The nearest float16, ties to even. `x` is rounded to float32 first, which changes nothing when `x` is the sum,
 * difference, product or quotient of two float16 numbers (24 >= 2 * 11 + 2 digits: Figueroa, 1995).
 */
export function roundToHalf(x: number): number {
  single[0] = x;
  const size = Math.abs(x);
  // Below 2^-14 the spacing is 2^-24, which is also that of float64 numbers around `shift`.
  if (size < smallestNormal) return (single[0] + shift) - shift;
  if (!(size < 65520)) return size >= 65520 ? x * Infinity : NaN;
  // The 13 digits that float16 lacks round to even: up by half a unit less one, and by one more after an odd digit.
  bits[0] = (bits[0] + 0xfff + ((bits[0] >>> 13) & 1)) & 0xffffe000;
  return single[0];
}
