/**
 * Codes into a table as float32 panels, as `packed.ts` makes them of integers; a weight is laid out by `../table.ts`.
 *
 * Tables of up to 16 values fit in four vectors, one for each byte of a float32: one instruction looks up a byte of 16 values, and shuffles put
 * the four bytes of each together. Of larger tables those of floats are no tables but shifts (`floatShape` of `../table.ts`), others are
 * read value by value.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

import { bits, codes, constant, dequantizePanel, enter, groups, groupSize, halfQuad, panelBytes, plane, ranges } from "./packed";

/** Four scales from bytes at `at`. */
@inline
function fourScales(scaleTable: usize, at: usize): v128 {
  let four = v128.load32_zero(scaleTable + (<usize> load<u8>(at) << 2));
  four = v128.load32_lane(scaleTable + (<usize> load<u8>(at, 1) << 2), four, 1);
  four = v128.load32_lane(scaleTable + (<usize> load<u8>(at, 2) << 2), four, 2);
  return v128.load32_lane(scaleTable + (<usize> load<u8>(at, 3) << 2), four, 3);
}

/** Half a quad, whose codes are bytes `4 l + j` for column `j` and output feature `l`, by four vectors of bytes. */
@inline
function lookBytes(to: usize, c: v128, t0: v128, t1: v128, t2: v128, t3: v128, scale: v128): void {
  const by = v128.shuffle<u8>(c, c, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const r0 = i8x16.swizzle(t0, by), r1 = i8x16.swizzle(t1, by), r2 = i8x16.swizzle(t2, by), r3 = i8x16.swizzle(t3, by);
  const low0 = v128.shuffle<u8>(r0, r1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const low1 = v128.shuffle<u8>(r2, r3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const high0 = v128.shuffle<u8>(r0, r1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const high1 = v128.shuffle<u8>(r2, r3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(low0, low1, 0, 8, 1, 9, 2, 10, 3, 11)));
  v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(low0, low1, 4, 12, 5, 13, 6, 14, 7, 15)), 32);
  v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(high0, high1, 0, 8, 1, 9, 2, 10, 3, 11)), 64);
  v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(high0, high1, 4, 12, 5, 13, 6, 14, 7, 15)), 96);
}

/** A value of a table of float32. */
@inline
function value(table: usize, code: u8): usize {
  return table + (<usize> code << 2);
}

/** Four values of column `j`. */
@inline
function fourValues(table: usize, c0: u8, c1: u8, c2: u8, c3: u8): v128 {
  let four = v128.load32_zero(value(table, c0));
  four = v128.load32_lane(value(table, c1), four, 1);
  four = v128.load32_lane(value(table, c2), four, 2);
  return v128.load32_lane(value(table, c3), four, 3);
}

/** {@linkcode lookBytes} by a table of up to 256 float32 values. */
@inline
function lookValues(to: usize, c: v128, table: usize, scale: v128): void {
  const v0 = fourValues(table, i8x16.extract_lane_u(c, 0), i8x16.extract_lane_u(c, 4), i8x16.extract_lane_u(c, 8), i8x16.extract_lane_u(c, 12));
  const v1 = fourValues(table, i8x16.extract_lane_u(c, 1), i8x16.extract_lane_u(c, 5), i8x16.extract_lane_u(c, 9), i8x16.extract_lane_u(c, 13));
  const v2 = fourValues(table, i8x16.extract_lane_u(c, 2), i8x16.extract_lane_u(c, 6), i8x16.extract_lane_u(c, 10), i8x16.extract_lane_u(c, 14));
  const v3 = fourValues(table, i8x16.extract_lane_u(c, 3), i8x16.extract_lane_u(c, 7), i8x16.extract_lane_u(c, 11), i8x16.extract_lane_u(c, 15));
  v128.store(to, f32x4.mul(scale, v0));
  v128.store(to, f32x4.mul(scale, v1), 32);
  v128.store(to, f32x4.mul(scale, v2), 64);
  v128.store(to, f32x4.mul(scale, v3), 96);
}

/** Four codes, one in each lane, as floats: their bits but the sign moved up, times a power of two. A product with it is exact. */
@inline
function floats(bits: usize, c: v128, shift: i32, factor: v128, scale: v128): v128 {
  const sign = i32x4.shl(i32x4.shr_u(c, <i32> bits - 1), 31), size = v128.and(c, i32x4.splat((1 << (<i32> bits - 1)) - 1));
  return f32x4.mul(scale, f32x4.mul(factor, v128.or(sign, i32x4.shl(size, shift))));
}

/** {@linkcode lookBytes} of codes that are floats. */
@inline
function lookFloats(bits: usize, to: usize, c: v128, shift: i32, factor: v128, scale: v128): void {
  const low = constant(3);
  v128.store(to, floats(bits, v128.and(c, low), shift, factor, scale));
  v128.store(to, floats(bits, v128.and(i32x4.shr_u(c, 8), low), shift, factor, scale), 32);
  v128.store(to, floats(bits, v128.and(i32x4.shr_u(c, 16), low), shift, factor, scale), 64);
  v128.store(to, floats(bits, i32x4.shr_u(c, 24), shift, factor, scale), 96);
}

/** Values of quads `[first, last)` of a panel that share a range: `[4 (last - first)][8]` at `to`. */
@inline
function lookRun(
  bits: usize, to: usize, panel: usize, first: usize, last: usize, table: usize, s0: v128, s1: v128, shift: i32, factor: v128,
): void {
  const low = constant(0);
  const t0 = v128.load(table), t1 = v128.load(table, 16), t2 = v128.load(table, 32), t3 = v128.load(table, 48);
  for (let quad = first; quad < last; quad++, to += 128) {
    const nibbles = bits & 12 ? plane(bits, panel, quad, 4) : low;
    const pairs = bits & 10 ? plane(bits, panel, quad, 2) : low;
    const ones = bits & 1 ? plane(bits, panel, quad, 1) : low;
    const c0 = halfQuad(bits, nibbles, pairs, ones, quad & 3, 0, low), c1 = halfQuad(bits, nibbles, pairs, ones, quad & 3, 1, low);
    if (bits <= 4) {
      lookBytes(to, c0, t0, t1, t2, t3, s0);
      lookBytes(to + 16, c1, t0, t1, t2, t3, s1);
    } else if (shift) {
      lookFloats(bits, to, c0, shift, factor, s0);
      lookFloats(bits, to + 16, c1, shift, factor, s1);
    } else {
      lookValues(to, c0, table, s0);
      lookValues(to + 16, c1, table, s1);
    }
  }
}

/** {@linkcode lookRun}, compiled apart for every number of bits. */
function lookQuads(
  to: usize, panel: usize, first: usize, last: usize, table: usize, s0: v128, s1: v128, shift: i32, factor: v128,
): void {
  if (bits == 4) lookRun(4, to, panel, first, last, table, s0, s1, shift, factor);
  else if (bits == 8) lookRun(8, to, panel, first, last, table, s0, s1, shift, factor);
  else if (bits == 6) lookRun(6, to, panel, first, last, table, s0, s1, shift, factor);
  else if (bits == 3) lookRun(3, to, panel, first, last, table, s0, s1, shift, factor);
  else if (bits == 2) lookRun(2, to, panel, first, last, table, s0, s1, shift, factor);
  else if (bits == 5) lookRun(5, to, panel, first, last, table, s0, s1, shift, factor);
  else if (bits == 7) lookRun(7, to, panel, first, last, table, s0, s1, shift, factor);
  else lookRun(1, to, panel, first, last, table, s0, s1, shift, factor);
}

/**
 * Columns `[k0, k0 + depth)` of a panel of integers or of codes into a table as `[depth][8]` float32 at `to`, where there must be room for
 * `depth` rounded up to a multiple of 4; `k0` is a multiple of 16.
 */
export function packedPanel(to: usize, weight: usize, panel: usize, k0: usize, depth: usize): void {
  if (!load<u32>(weight, 28)) return dequantizePanel(to, weight, panel, k0, depth);
  enter(weight);
  const table = weight + load<u32>(weight, 28), bytes = load<u32>(weight, 32), scaleTable = weight + bytes;
  const shift = <i32> load<u32>(weight, 36), factor = v128.load32_splat(weight + 40);
  const source = codes + panel * panelBytes, size: usize = bytes ? 8 : 32;
  const range0 = ranges + panel * groups * size, end = k0 + depth;
  for (let column = k0; column < end;) {
    const group = column / groupSize, next = min(end, (group + 1) * groupSize), range = range0 + group * size;
    const s0 = bytes ? fourScales(scaleTable, range) : v128.load(range);
    const s1 = bytes ? fourScales(scaleTable, range + 4) : v128.load(range, 16);
    lookQuads(to + ((column - k0) << 5), source, column >> 2, (next + 3) >> 2, table, s0, s1, shift, factor);
    column = next;
  }
}
