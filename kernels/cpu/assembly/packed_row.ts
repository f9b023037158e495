/**
 * One row times packed integers, in integer arithmetic: the row becomes fixed point, codes stay codes.
 *
 * Codes of up to 5 bits are multiplied as bytes, 16 at once, by the relaxed dot product of bytes. That instruction
 * may differ between machines only where a code has 8 bits or a sum of 16 bits overflows; neither happens here. Codes of
 * more bits are multiplied as 16-bit integers.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

import {
  bits, codes, columnGroups, constant, enter, groups, groupSize, halfQuad, panelBytes, plane, rangeBytes, ranges, zeroBytes,
} from "./packed";

/** Whether {@linkcode stripPacked} can multiply with a weight: groups are runs of columns, zeros are integers. */
export function canStrip(weight: usize): bool {
  enter(weight);
  return columnGroups == 0 && zeroBytes;
}

/** Columns that {@linkcode fixedPoint} takes at once. */
export const fixedBlock: usize = 4096;
/** Columns that share a step. */
export const stepBlock: usize = 128;

/** Where the sums and the steps of {@linkcode fixedPoint} begin; after them it has written `6 * fixedBlock + 136` bytes. */
const sumsAt: usize = fixedBlock << 2, stepsAt: usize = sumsAt + (fixedBlock << 1) + 8;

/** Whether codes are multiplied as bytes. */
@inline
function asBytes(): bool {
  return bits <= 5;
}

/**
 * The exponent (with float32's bias) of 1 + 2^-7 times the largest of the magnitudes of `count` values: a little more
 * than the largest, so that the high byte of 24 bits does not overflow. That of 1 where all are 0; above 254 for NaN and infinities.
 */
export function exponentOf(x: usize, count: usize): u32 {
  let largest = f32x4.splat(0), i: usize = 0;
  for (; i + 4 <= count; i += 4) largest = f32x4.max(largest, f32x4.abs(v128.load(x + (i << 2))));
  if (i < count) largest = f32x4.max(largest, f32x4.abs(fourOf(x, i, count)));
  const most = max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  return most == 0 ? 127 : reinterpret<u32>(most * 1.0078125) >> 23;
}

/** Values `i` to `i + 3` of the `k` values at `x`, 0 from `k` on. */
@inline
function fourOf(x: usize, i: usize, k: usize): v128 {
  if (i + 4 <= k) return v128.load(x + (i << 2));
  let four = v128.load32_zero(x + (i << 2));
  if (i + 1 < k) four = f32x4.replace_lane(four, 1, load<f32>(x + (i << 2), 4));
  if (i + 2 < k) four = f32x4.replace_lane(four, 2, load<f32>(x + (i << 2), 8));
  return four;
}

/**
 * One row `x` `[k]` in fixed point, for products with codes in integer arithmetic: `x = step * (2^8 high + low)`, where
 * high is a 16-bit integer, low an 8-bit integer, and `step`, one for each 128 columns, a power of two, at most
 * 2^-22 (1 + 2^-7) of the largest `|x|` among them. For every four columns 16 bytes at `to`: for codes that are multiplied as bytes the high
 * bytes of high, its low bytes, and low; otherwise high of columns 0, 2, 1, 3, then low. Columns up to a multiple of four
 * are 0. At `to + sumsAt` the sums of high and of low of all columns before each four, at `to + stepsAt` the steps.
 * False where `x` has no such form (NaN, infinities, nothing but tiny numbers).
 */
export function fixedPoint(x: usize, k: usize, to: usize): bool {
  let sums = to + sumsAt, steps = to + stepsAt, total = i32x4.splat(0);
  const half = i32x4.splat(0x80), bytes = asBytes();
  for (let block: usize = 0; block < k; block += stepBlock, steps += 4) {
    const end = min(k, block + stepBlock);
    const exponent = exponentOf(x + (block << 2), end - block);
    if (exponent < 23 || exponent > 254) return false;
    store<f32>(steps, reinterpret<f32>((exponent - 22) << 23));
    const scale = f32x4.splat(reinterpret<f32>((276 - exponent) << 23));
    for (let i = block; i < end; i += 4, to += 16, sums += 8) {
      const four = f32x4.mul(fourOf(x, i, k), scale);
      const q = i32x4.trunc_sat_f32x4_s(f32x4.nearest(four));
      const high = i32x4.shr_s(i32x4.add(q, half), 8), low = i32x4.sub(q, i32x4.shl(high, 8));
      const parts = i16x8.narrow_i32x4_s(high, low);
      if (bytes) {
        const top = i32x4.shr_s(i32x4.add(high, half), 8), next = i32x4.sub(high, i32x4.shl(top, 8));
        v128.store(to, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(top, next), i16x8.narrow_i32x4_s(low, low)));
      } else {
        v128.store(to, v128.shuffle<i16>(parts, parts, 0, 2, 1, 3, 4, 6, 5, 7));
      }
      v128.store64_lane(sums, total, 0);
      // Lanes 0 and 1 of the total: the sums of high and of low.
      const pairs = i32x4.dot_i16x8_s(parts, i16x8.splat(1));
      total = i32x4.add(total, i32x4.add(v128.shuffle<i32>(pairs, pairs, 0, 2, 0, 2), v128.shuffle<i32>(pairs, pairs, 1, 3, 1, 3)));
    }
  }
  v128.store64_lane(sums, total, 0);
  return true;
}

/** The codes of half a quad, from planes that begin with it. */
@inline
function codesOf(bits: usize, nibbles: v128, pairs: v128, ones: v128, half: usize): v128 {
  return halfQuad(bits, nibbles, pairs, ones, 0, half, constant(0));
}

/** 16-bit sums plus 16 products of bytes of `x` and codes, in pairs. */
@inline
function addBytes(sums: v128, x: v128, codes: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.add(sums, v128.relaxed_dot<i16>(x, codes));
  const first = i16x8.extmul_low_i8x16_s(x, codes), second = i16x8.extmul_high_i8x16_s(x, codes);
  const even = v128.shuffle<i16>(first, second, 0, 2, 4, 6, 8, 10, 12, 14);
  return i16x8.add(sums, i16x8.add(even, v128.shuffle<i16>(first, second, 1, 3, 5, 7, 9, 11, 13, 15)));
}

/** 32-bit sums plus 16-bit sums in pairs, which count `weights` times. */
@inline
function addPairs(sums: v128, pairs: v128, weights: v128): v128 {
  return i32x4.add(sums, i32x4.dot_i16x8_s(pairs, weights));
}

/**
 * Adds `x` times quads `[first, last)` of a panel, which share range and step, to the 8 sums in `sums`; `x` and `totals`
 * are what {@linkcode fixedPoint} wrote for quad `first`. For codes of up to 5 bits.
 */
@inline
function stripBytes(
  bits: usize, sums: usize, x: usize, totals: usize, step: v128, panel: usize, first: usize, last: usize, range: usize,
): void {
  const none = i32x4.splat(0), end = x + ((last - first) << 4);
  let h0 = none, h1 = none, l0 = none, l1 = none;
  let nibbles = none, pairs = planeBefore(bits, panel, first, 2), ones = planeBefore(bits, panel, first, 1);
  // A loop has no other counter than `x`: 16 times the quad is `x + ahead`, and 4-bit codes are as far apart as parts of `x`.
  const ahead = (first << 4) - x, fours = panel + ahead;
  while (x < end) {
    // So many sums of two products of up to 2^7 (2^bits - 1) fit in 16 bits.
    const until = min(end, x + (bits == 5 ? 64 : bits == 4 ? 128 : bits == 3 ? 256 : 512));
    let t0 = none, t1 = none, n0 = none, n1 = none, b0 = none, b1 = none;
    for (; x < until; x += 16) {
      if (bits == 4) nibbles = v128.load(x + fours);
      else if (bits & 4) nibbles = plane(bits, panel, (x + ahead) >> 4, 4);
      if (bits & 2) pairs = (x + ahead) & 16 ? i32x4.shr_u(pairs, 4) : plane(bits, panel, (x + ahead) >> 4, 2);
      if (bits & 1) ones = (x + ahead) & 48 ? i32x4.shr_u(ones, 2) : plane(bits, panel, (x + ahead) >> 4, 1);
      const c0 = codesOf(bits, nibbles, pairs, ones, 0), c1 = codesOf(bits, nibbles, pairs, ones, 1);
      const parts = v128.load(x);
      let part = v128.shuffle<i32>(parts, parts, 0, 0, 0, 0);
      t0 = addBytes(t0, part, c0), t1 = addBytes(t1, part, c1);
      part = v128.shuffle<i32>(parts, parts, 1, 1, 1, 1);
      n0 = addBytes(n0, part, c0), n1 = addBytes(n1, part, c1);
      part = v128.shuffle<i32>(parts, parts, 2, 2, 2, 2);
      b0 = addBytes(b0, part, c0), b1 = addBytes(b1, part, c1);
    }
    const one = constant(8), high = constant(9);
    h0 = addPairs(addPairs(h0, t0, high), n0, one), h1 = addPairs(addPairs(h1, t1, high), n1, one);
    l0 = addPairs(l0, b0, one), l1 = addPairs(l1, b1, one);
  }
  addRun(sums, h0, h1, l0, l1, totals, last - first, step, range);
}

/** The plane of a quad in the middle of it, as the quad before leaves it. */
@inline
function planeBefore(bits: usize, panel: usize, quad: usize, width: usize): v128 {
  if (bits == 8 || !(bits & width)) return i32x4.splat(0);
  const all = plane(bits, panel, quad, width);
  return i32x4.shr_u(all, width == 2 ? 0 : <i32> (((quad & 3) - 1) << 1));
}

/** 32-bit sums plus 16 products of codes, which are bytes, and 16-bit parts of `x` for columns 0 and 2, and 1 and 3. */
@inline
function addWords(sums: v128, codes: v128, even: v128, odd: v128): v128 {
  const low = constant(7);
  const products = i32x4.dot_i16x8_s(v128.and(i32x4.shr_u(codes, 8), low), odd);
  return i32x4.add(i32x4.add(sums, i32x4.dot_i16x8_s(v128.and(codes, low), even)), products);
}

/** {@linkcode stripBytes} for codes of 6 to 8 bits. */
@inline
function stripWords(
  bits: usize, sums: usize, x: usize, totals: usize, step: v128, panel: usize, first: usize, last: usize, range: usize,
): void {
  const none = i32x4.splat(0);
  let h0 = none, h1 = none, l0 = none, l1 = none;
  let nibbles = none, pairs = planeBefore(bits, panel, first, 2), ones = planeBefore(bits, panel, first, 1);
  for (let quad = first; quad < last; quad++, x += 16) {
    nibbles = plane(bits, panel, quad, 4);
    pairs = bits < 8 && quad & 1 ? i32x4.shr_u(pairs, 4) : plane(bits, panel, quad, 2);
    if (bits & 1) ones = quad & 3 ? i32x4.shr_u(ones, 2) : plane(bits, panel, quad, 1);
    const c0 = codesOf(bits, nibbles, pairs, ones, 0), c1 = codesOf(bits, nibbles, pairs, ones, 1);
    const parts = v128.load(x);
    let even = v128.shuffle<i32>(parts, parts, 0, 0, 0, 0), odd = v128.shuffle<i32>(parts, parts, 1, 1, 1, 1);
    h0 = addWords(h0, c0, even, odd), h1 = addWords(h1, c1, even, odd);
    even = v128.shuffle<i32>(parts, parts, 2, 2, 2, 2), odd = v128.shuffle<i32>(parts, parts, 3, 3, 3, 3);
    l0 = addWords(l0, c0, even, odd), l1 = addWords(l1, c1, even, odd);
  }
  addRun(sums, h0, h1, l0, l1, totals, last - first, step, range);
}

/** Adds the exact sums of a run of `count` quads, high and low, to the 8 float32 sums in `sums`. */
@inline
function addRun(
  sums: usize, h0: v128, h1: v128, l0: v128, l1: v128, totals: usize, count: usize, step: v128, range: usize,
): void {
  const both = i32x4.sub(v128.load64_zero(totals + (count << 3)), v128.load64_zero(totals));
  const highs = v128.shuffle<i32>(both, both, 0, 0, 0, 0), lows = v128.shuffle<i32>(both, both, 1, 1, 1, 1);
  const zeros = i16x8.extend_low_i8x16_u(v128.load64_zero(range + 32));
  addHalf(sums, h0, l0, i32x4.extend_low_i16x8_u(zeros), highs, lows, step, v128.load(range));
  addHalf(sums + 16, h1, l1, i32x4.extend_high_i16x8_u(zeros), highs, lows, step, v128.load(range, 16));
}

@inline
function addHalf(sums: usize, high: v128, low: v128, zeros: v128, highs: v128, lows: v128, step: v128, scale: v128): void {
  const first = f32x4.convert_i32x4_s(i32x4.sub(high, i32x4.mul(zeros, highs)));
  const rest = f32x4.convert_i32x4_s(i32x4.sub(low, i32x4.mul(zeros, lows)));
  const value = f32x4.mul(scale, f32x4.add(f32x4.mul(constant(10), first), rest));
  v128.store(sums, f32x4.add(v128.load(sums), f32x4.mul(step, value)));
}

/** {@linkcode stripBytes} or {@linkcode stripWords}, compiled apart for every number of bits. */
function stripQuads(
  sums: usize, x: usize, totals: usize, step: v128, panel: usize, first: usize, last: usize, range: usize,
): void {
  if (bits == 4) stripBytes(4, sums, x, totals, step, panel, first, last, range);
  else if (bits == 8) stripWords(8, sums, x, totals, step, panel, first, last, range);
  else if (bits == 3) stripBytes(3, sums, x, totals, step, panel, first, last, range);
  else if (bits == 2) stripBytes(2, sums, x, totals, step, panel, first, last, range);
  else if (bits == 6) stripWords(6, sums, x, totals, step, panel, first, last, range);
  else if (bits == 5) stripBytes(5, sums, x, totals, step, panel, first, last, range);
  else if (bits == 7) stripWords(7, sums, x, totals, step, panel, first, last, range);
  else stripBytes(1, sums, x, totals, step, panel, first, last, range);
}

/**
 * `sums[8] += x b` for columns `[k0, end)` of one row, which {@linkcode fixedPoint} put at `x`, and one panel. After
 * {@linkcode canStrip} of the same weight; `k0` is a multiple of {@linkcode fixedBlock}.
 */
export function stripPacked(x: usize, panel: usize, k0: usize, end: usize, sums: usize): void {
  const source = codes + panel * panelBytes, group0 = k0 / groupSize;
  let range = ranges + (panel * groups + group0) * rangeBytes, groupEnd = (group0 + 1) * groupSize;
  for (let column = k0; column < end;) {
    const next = min(min(end, groupEnd), (column & ~(stepBlock - 1)) + stepBlock);
    const quad = (column - k0) >> 2;
    const step = v128.load32_splat(x + stepsAt + ((column - k0) / stepBlock << 2));
    stripQuads(
      sums, x + (quad << 4), x + sumsAt + (quad << 3), step, source, column >> 2, (next + 3) >> 2, range,
    );
    column = next;
    if (next == groupEnd) range += rangeBytes, groupEnd += groupSize;
  }
}
