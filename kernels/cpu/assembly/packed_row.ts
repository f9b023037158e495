/**
 * One row times packed integers, in integer arithmetic: the row becomes fixed point, codes stay codes.
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

/** Where the sums of {@linkcode fixedPoint} begin; after them it has written `6 * fixedBlock + 8` bytes. */
const sumsAt: usize = fixedBlock << 2;

/**
 * One row `x` `[k]` in fixed point, for products with codes in integer arithmetic: `x = step * (2^15 high + low)`, where
 * high and low are 16-bit integers, at most 2^14, and `step` is a power of two, at most 2^-28 of the largest `|x|`. For every four
 * columns 16 bytes at `to`: the high parts of columns 0, 2, 1, 3, then the low parts. Columns up to a multiple of four
 * are 0. At `to + sumsAt` the sums of the high and of the low parts of all columns before each four. Returns `step`,
 * or 0 where `x` has no such form (all zeros, NaN, infinities, nothing but tiny numbers).
 */
export function fixedPoint(x: usize, k: usize, to: usize): f32 {
  let largest = f32x4.splat(0), i: usize = 0;
  for (; i + 4 <= k; i += 4) largest = f32x4.max(largest, f32x4.abs(v128.load(x + (i << 2))));
  let most = max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  for (; i < k; i++) most = max(most, abs(load<f32>(x + (i << 2))));
  const exponent = <i32> (reinterpret<u32>(most) >> 23);
  if (exponent < 29 || exponent > 254) return 0;
  const scale = f32x4.splat(reinterpret<f32>((282 - exponent) << 23)), half = i32x4.splat(0x4000);
  let sums = to + sumsAt, total = i32x4.splat(0);
  for (i = 0; i < k; i += 4, to += 16, sums += 8) {
    let four: v128;
    if (i + 4 <= k) {
      four = v128.load(x + (i << 2));
    } else {
      four = v128.load32_zero(x + (i << 2));
      if (i + 1 < k) four = f32x4.replace_lane(four, 1, load<f32>(x + (i << 2), 4));
      if (i + 2 < k) four = f32x4.replace_lane(four, 2, load<f32>(x + (i << 2), 8));
    }
    const q = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(four, scale)));
    const high = i32x4.shr_s(i32x4.add(q, half), 15), low = i32x4.sub(q, i32x4.shl(high, 15));
    const parts = i16x8.narrow_i32x4_s(high, low);
    v128.store(to, v128.shuffle<i16>(parts, parts, 0, 2, 1, 3, 4, 6, 5, 7));
    v128.store64_lane(sums, total, 0);
    // Lanes 0 and 1 of the total: the sums of the high parts and of the low parts.
    const pairs = i32x4.dot_i16x8_s(parts, i16x8.splat(1));
    total = i32x4.add(total, i32x4.add(v128.shuffle<i32>(pairs, pairs, 0, 2, 0, 2), v128.shuffle<i32>(pairs, pairs, 1, 3, 1, 3)));
  }
  v128.store64_lane(sums, total, 0);
  return reinterpret<f32>((exponent - 28) << 23);
}

/** Of codes as bytes, columns 1 and 3 of a quad (columns 0 and 2 are `bytes & constant(7)`) as 16-bit integers. */
@inline
function oddWords(bytes: v128, low: v128): v128 {
  return v128.and(i32x4.shr_u(bytes, 8), low);
}

/**
 * Adds `x` times quads `[first, last)` of a panel, which share the range, to the 8 sums in `sums`; `x` and `totals` are
 * what {@linkcode fixedPoint} wrote for quad `first`. Products of codes and of the parts of `x`, and their sums, are
 * exact; `last - first` may be `2^(14 - bits)`.
 */
@inline
function stripRun(
  bits: usize, sums: usize, x: usize, totals: usize, step: v128, panel: usize, first: usize, last: usize, range: usize,
): void {
  const low = constant(0), words = constant(7);
  let h0 = i32x4.splat(0), h1 = h0, l0 = h0, l1 = h0;
  let nibbles = low, pairs = low, ones = low, b0 = low, b1 = low, part = low, quad = first;
  let e0 = low, e1 = low, o0 = low, o1 = low;
  // Whole blocks of 16 columns, where the places of the bits are known.
  for (; (quad & 3) == 0 && quad + 4 <= last; quad += 4, x += 64) {
    if (bits & 1) ones = plane(bits, panel, quad, 1);
    if (bits & 12) nibbles = plane(bits, panel, quad, 4);
    if (bits & 10) pairs = plane(bits, panel, quad, 2);
    b0 = halfQuad(bits, nibbles, pairs, ones, 0, 0, low), b1 = halfQuad(bits, nibbles, pairs, ones, 0, 1, low);
    e0 = v128.and(b0, words), o0 = oddWords(b0, words);
    e1 = v128.and(b1, words), o1 = oddWords(b1, words);
    part = v128.load32_splat(x);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(e0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 4);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(o0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(o1, part));
    part = v128.load32_splat(x, 8);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(e0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 12);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(o0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(o1, part));
    if (bits & 12) nibbles = plane(bits, panel, quad + 1, 4);
    if (bits == 8) pairs = plane(bits, panel, quad + 1, 2);
    b0 = halfQuad(bits, nibbles, pairs, ones, 1, 0, low), b1 = halfQuad(bits, nibbles, pairs, ones, 1, 1, low);
    e0 = v128.and(b0, words), o0 = oddWords(b0, words);
    e1 = v128.and(b1, words), o1 = oddWords(b1, words);
    part = v128.load32_splat(x, 16);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(e0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 20);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(o0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(o1, part));
    part = v128.load32_splat(x, 24);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(e0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 28);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(o0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(o1, part));
    if (bits & 12) nibbles = plane(bits, panel, quad + 2, 4);
    if (bits & 10) pairs = plane(bits, panel, quad + 2, 2);
    b0 = halfQuad(bits, nibbles, pairs, ones, 2, 0, low), b1 = halfQuad(bits, nibbles, pairs, ones, 2, 1, low);
    e0 = v128.and(b0, words), o0 = oddWords(b0, words);
    e1 = v128.and(b1, words), o1 = oddWords(b1, words);
    part = v128.load32_splat(x, 32);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(e0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 36);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(o0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(o1, part));
    part = v128.load32_splat(x, 40);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(e0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 44);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(o0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(o1, part));
    if (bits & 12) nibbles = plane(bits, panel, quad + 3, 4);
    if (bits == 8) pairs = plane(bits, panel, quad + 3, 2);
    b0 = halfQuad(bits, nibbles, pairs, ones, 3, 0, low), b1 = halfQuad(bits, nibbles, pairs, ones, 3, 1, low);
    e0 = v128.and(b0, words), o0 = oddWords(b0, words);
    e1 = v128.and(b1, words), o1 = oddWords(b1, words);
    part = v128.load32_splat(x, 48);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(e0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 52);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(o0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(o1, part));
    part = v128.load32_splat(x, 56);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(e0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 60);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(o0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(o1, part));
  }
  for (; quad < last; quad++, x += 16) {
    if (bits & 1) ones = plane(bits, panel, quad, 1);
    if (bits & 10) pairs = plane(bits, panel, quad, 2);
    if (bits & 12) nibbles = plane(bits, panel, quad, 4);
    b0 = halfQuad(bits, nibbles, pairs, ones, quad & 3, 0, low), b1 = halfQuad(bits, nibbles, pairs, ones, quad & 3, 1, low);
    e0 = v128.and(b0, words), o0 = oddWords(b0, words);
    e1 = v128.and(b1, words), o1 = oddWords(b1, words);
    part = v128.load32_splat(x);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(e0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 4);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(o0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(o1, part));
    part = v128.load32_splat(x, 8);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(e0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(e1, part));
    part = v128.load32_splat(x, 12);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(o0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(o1, part));
  }
  addRun(sums, h0, h1, l0, l1, totals, last - first, step, range);
}

/** Adds the exact sums of a run of `count` quads, high and low parts, to the 8 float32 sums in `sums`. */
@inline
function addRun(
  sums: usize, h0: v128, h1: v128, l0: v128, l1: v128, totals: usize, count: usize, step: v128, range: usize,
): void {
  const end = totals + (count << 3);
  const highs = i32x4.splat(load<i32>(end) - load<i32>(totals)), lows = i32x4.splat(load<i32>(end, 4) - load<i32>(totals, 4));
  for (let half: usize = 0; half < 2; half++) {
    const zero = i16x8.extend_low_i8x16_u(v128.load32_zero(range + 32 + (half << 2)));
    const zeros = i32x4.extend_low_i16x8_u(zero);
    const high = f32x4.convert_i32x4_s(i32x4.sub(half ? h1 : h0, i32x4.mul(zeros, highs)));
    const rest = f32x4.convert_i32x4_s(i32x4.sub(half ? l1 : l0, i32x4.mul(zeros, lows)));
    const value = f32x4.mul(step, f32x4.add(f32x4.mul(f32x4.splat(32768), high), rest));
    const at = sums + (half << 4);
    v128.store(at, f32x4.add(v128.load(at), f32x4.mul(v128.load(range + (half << 4)), value)));
  }
}

/**
 * {@linkcode stripRun} of two panels of 4-bit codes, from the codes `a` and `b` of the first quad on: each part of `x` is loaded once for 16
 * output features, and what one panel waits for the other does.
 */
function stripPair(
  sums: usize, x: usize, totals: usize, step: v128, a: usize, b: usize, count: usize, rangeA: usize, rangeB: usize,
): void {
  const low = constant(8);
  let h0 = i32x4.splat(0), h1 = h0, l0 = h0, l1 = h0, h2 = h0, h3 = h0, l2 = h0, l3 = h0;
  const end = x + (count << 4);
  for (; x < end; x += 16, a += 16, b += 16) {
    const codesA = v128.load(a), codesB = v128.load(b);
    let c0 = v128.and(codesA, low), c1 = v128.and(i32x4.shr_u(codesA, 4), low);
    let c2 = v128.and(codesB, low), c3 = v128.and(i32x4.shr_u(codesB, 4), low);
    let part = v128.load32_splat(x);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(c0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(c1, part));
    h2 = i32x4.add(h2, i32x4.dot_i16x8_s(c2, part)), h3 = i32x4.add(h3, i32x4.dot_i16x8_s(c3, part));
    part = v128.load32_splat(x, 8);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(c0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(c1, part));
    l2 = i32x4.add(l2, i32x4.dot_i16x8_s(c2, part)), l3 = i32x4.add(l3, i32x4.dot_i16x8_s(c3, part));
    c0 = v128.and(i32x4.shr_u(codesA, 8), low), c1 = i16x8.shr_u(codesA, 12);
    c2 = v128.and(i32x4.shr_u(codesB, 8), low), c3 = i16x8.shr_u(codesB, 12);
    part = v128.load32_splat(x, 4);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(c0, part)), h1 = i32x4.add(h1, i32x4.dot_i16x8_s(c1, part));
    h2 = i32x4.add(h2, i32x4.dot_i16x8_s(c2, part)), h3 = i32x4.add(h3, i32x4.dot_i16x8_s(c3, part));
    part = v128.load32_splat(x, 12);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(c0, part)), l1 = i32x4.add(l1, i32x4.dot_i16x8_s(c1, part));
    l2 = i32x4.add(l2, i32x4.dot_i16x8_s(c2, part)), l3 = i32x4.add(l3, i32x4.dot_i16x8_s(c3, part));
  }
  addRun(sums, h0, h1, l0, l1, totals, count, step, rangeA);
  addRun(sums + 32, h2, h3, l2, l3, totals, count, step, rangeB);
}

/** {@linkcode stripRun}, compiled apart for every number of bits. */
function stripQuads(
  sums: usize, x: usize, totals: usize, step: v128, panel: usize, first: usize, last: usize, range: usize,
): void {
  if (bits == 4) stripRun(4, sums, x, totals, step, panel, first, last, range);
  else if (bits == 8) stripRun(8, sums, x, totals, step, panel, first, last, range);
  else if (bits == 3) stripRun(3, sums, x, totals, step, panel, first, last, range);
  else if (bits == 2) stripRun(2, sums, x, totals, step, panel, first, last, range);
  else if (bits == 6) stripRun(6, sums, x, totals, step, panel, first, last, range);
  else if (bits == 5) stripRun(5, sums, x, totals, step, panel, first, last, range);
  else if (bits == 7) stripRun(7, sums, x, totals, step, panel, first, last, range);
  else stripRun(1, sums, x, totals, step, panel, first, last, range);
}

/** Panels that {@linkcode stripPacked} takes at once, after {@linkcode canStrip} of the same weight. */
export function stripPanels(): usize {
  return bits == 4 ? 2 : 1;
}

/**
 * `sums[8 panels] += x b` for columns `[k0, end)` of one row, which {@linkcode fixedPoint} put at `x`, and `count` panels (one, or {@linkcode stripPanels})
 * from `panel` on. After {@linkcode canStrip} of the same weight; `k0` is a multiple of 16.
 */
export function stripPacked(
  x: usize, step: f32, panel: usize, count: usize, k0: usize, end: usize, sums: usize,
): void {
  const source = codes + panel * panelBytes, rangesOfPanel = groups * rangeBytes, range0 = ranges + panel * rangesOfPanel;
  const most: usize = 1 << (16 - bits), steps = f32x4.splat(step);
  for (let column = k0; column < end;) {
    const group = column / groupSize, next = min(min(end, (group + 1) * groupSize), column + most);
    const range = range0 + group * rangeBytes;
    const quads = (column - k0) >> 2, first = column >> 2, last = (next + 3) >> 2;
    const from = x + (quads << 4), totals = x + sumsAt + (quads << 3);
    if (count == 2) {
      const at = source + (first << 4);
      stripPair(sums, from, totals, steps, at, at + panelBytes, last - first, range, range + rangesOfPanel);
    } else {
      stripQuads(sums, from, totals, steps, source, first, last, range);
    }
    column = next;
  }
}
