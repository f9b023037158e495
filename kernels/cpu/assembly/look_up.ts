/**
 * One row times binary codes by table look-up (LUT-GEMM, Park et al., ICLR 2024, section 3.2). The signed sums of four
 * inputs are only 16: a table of bytes that fits in one vector, in which one instruction looks up 16 output features. A
 * table that is loaded serves 32.
 *
 * A sum is an integer of 28 bits, in four tables of 7 bits: two bytes that were looked up add up to a byte. Inputs are
 * fixed point with 25 bits and a sign, in steps that 128 columns share; all sums of up to 128 columns are exact.
 * An index never exceeds 15, so that the relaxed look-up is the same on every machine.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

import { binaryPanel, blockBytes, codes, enterBinary, groupSize, groups, hasOffsets, planes, rangeBytes, ranges } from "./binary";
import { constant } from "./packed";
import { exponentOf, stepBlock } from "./packed_row";
import { addBias, addTo } from "./product";
import { depthBlock, strip } from "./tile";

/** Columns whose tables are made at once: 16 KiB, half a first-level cache. */
const tableBlock: usize = 1024;

/** Where the sums and the steps of {@linkcode makeTables} begin; after them is room for {@linkcode lookUpRun}. */
const sumsAt: usize = tableBlock << 4, stepsAt: usize = sumsAt + tableBlock + 8, partsAt: usize = stepsAt + 32;

/**
 * For every four of the `k` values at `x` (a multiple of 8) 4 tables of 16 bytes at `to`: 7 bits each, lowest first, of
 * `2^27 +` the sum in steps of the values whose bits in the index are set, less the others. At `to + sumsAt` the
 * float64 sums of all values before each eight, at `to + stepsAt` the steps. False where `x` has no such form (NaN,
 * infinities, nothing but tiny numbers).
 */
function makeTables(x: usize, k: usize, to: usize): bool {
  const sums = to + sumsAt;
  let steps = to + stepsAt, total: f64 = 0;
  for (let block: usize = 0; block < k; block += stepBlock, steps += 4) {
    const end = min(k, block + stepBlock), exponent = exponentOf(x + (block << 2), end - block);
    if (exponent < 25 || exponent > 254) return false;
    store<f32>(steps, reinterpret<f32>((exponent - 24) << 23));
    const scale = f32x4.splat(reinterpret<f32>((278 - exponent) << 23));
    for (let i = block; i < end; i += 4, to += 64) {
      const four = v128.load(x + (i << 2));
      if ((i & 4) == 0) store<f64>(sums + (i & ~7), total);
      const pairs = f64x2.add(f64x2.promote_low_f32x4(four), f64x2.promote_low_f32x4(v128.shuffle<i32>(four, four, 2, 3, 2, 3)));
      total += f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1);
      storeTables(to, i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(four, scale))));
    }
  }
  store<f64>(sums + k, total);
  return true;
}

/** The tables of the integers `q`. */
@inline
function storeTables(to: usize, q: v128): void {
  const x0 = v128.shuffle<i32>(q, q, 0, 0, 0, 0), x1 = v128.shuffle<i32>(q, q, 1, 1, 1, 1);
  const x2 = v128.shuffle<i32>(q, q, 2, 2, 2, 2), x3 = v128.shuffle<i32>(q, q, 3, 3, 3, 3);
  // (x ^ -1) + 1 is -x.
  const first = v128.xor(x0, i32x4(-1, 0, -1, 0)), second = v128.xor(x1, i32x4(-1, -1, 0, 0));
  const low = i32x4.add(i32x4.add(i32x4.add(first, second), i32x4(2, 1, 1, 0)), i32x4.splat(0x8000000));
  const less = i32x4.sub(low, x2), more = i32x4.add(low, x2);
  const e0 = i32x4.sub(less, x3), e1 = i32x4.sub(more, x3), e2 = i32x4.add(less, x3), e3 = i32x4.add(more, x3);
  storeParts(to, e0, e1, e2, e3, 0);
  storeParts(to + 16, e0, e1, e2, e3, 7);
  storeParts(to + 32, e0, e1, e2, e3, 14);
  storeParts(to + 48, e0, e1, e2, e3, 21);
}

/** Bits `shift` to `shift + 6` of 16 integers as bytes. */
@inline
function storeParts(to: usize, e0: v128, e1: v128, e2: v128, e3: v128, shift: i32): void {
  const mask = i32x4.splat(127);
  const a = i16x8.narrow_i32x4_s(v128.and(i32x4.shr_u(e0, shift), mask), v128.and(i32x4.shr_u(e1, shift), mask));
  const b = i16x8.narrow_i32x4_s(v128.and(i32x4.shr_u(e2, shift), mask), v128.and(i32x4.shr_u(e3, shift), mask));
  v128.store(to, i8x16.narrow_i16x8_u(a, b));
}

/** Looked-up bytes of eight columns: four by indices `c0` in one table, four by `c1` in another. */
@inline
function twice(first: v128, c0: v128, second: v128, c1: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.add(i8x16.relaxed_swizzle(first, c0), i8x16.relaxed_swizzle(second, c1));
  return i8x16.add(i8x16.swizzle(first, c0), i8x16.swizzle(second, c1));
}

/**
 * Looks up two of the four parts of sums, whose first table is at `table`, for `count` times eight columns and 32 output
 * features; `count` is at most 16. To `parts` 16-bit sums for 8 features each: both parts of the first 8, of the next 8, and so on.
 * 16-bit sums `s` are of two bytes each, the higher of which `h` sums up apart.
 */
function lookUpParts(table: usize, code: usize, stride: usize, count: usize, parts: usize): void {
  const low = constant(0), none = i16x8.splat(0), end = table + (count << 7);
  let s0 = none, s1 = none, s2 = none, s3 = none, h0 = none, h1 = none, h2 = none, h3 = none;
  for (; table < end; table += 128, code += stride) {
    let both = v128.load(code);
    const a0 = v128.and(both, low), a1 = v128.and(i16x8.shr_u(both, 4), low);
    both = v128.load(code, 16);
    const b0 = v128.and(both, low), b1 = v128.and(i16x8.shr_u(both, 4), low);
    let first = v128.load(table), second = v128.load(table, 64);
    let bytes = twice(first, a0, second, a1);
    s0 = i16x8.add(s0, bytes), h0 = i16x8.add(h0, i16x8.shr_u(bytes, 8));
    bytes = twice(first, b0, second, b1);
    s2 = i16x8.add(s2, bytes), h2 = i16x8.add(h2, i16x8.shr_u(bytes, 8));
    first = v128.load(table, 16), second = v128.load(table, 80);
    bytes = twice(first, a0, second, a1);
    s1 = i16x8.add(s1, bytes), h1 = i16x8.add(h1, i16x8.shr_u(bytes, 8));
    bytes = twice(first, b0, second, b1);
    s3 = i16x8.add(s3, bytes), h3 = i16x8.add(h3, i16x8.shr_u(bytes, 8));
  }
  v128.store(parts, i16x8.sub(s0, i16x8.shl(h0, 8))), v128.store(parts, i16x8.sub(s1, i16x8.shl(h1, 8)), 16);
  v128.store(parts, h0, 64), v128.store(parts, h1, 80);
  v128.store(parts, i16x8.sub(s2, i16x8.shl(h2, 8)), 128), v128.store(parts, i16x8.sub(s3, i16x8.shl(h3, 8)), 144);
  v128.store(parts, h2, 192), v128.store(parts, h3, 208);
}

/** Adds `alpha` times the product of `count` times eight columns and a plane to the 32 sums in `sums`; `parts`: room. */
function lookUpRun(
  table: usize, code: usize, stride: usize, count: usize, alpha: usize, step: v128, sums: usize, parts: usize,
): void {
  lookUpParts(table, code, stride, count, parts);
  lookUpParts(table + 32, code, stride, count, parts + 32);
  // 2^27 for each four columns, in units of 2^14.
  const excess = i32x4.splat(<i32> (count << 14));
  for (const end = sums + 128; sums < end; sums += 32, parts += 64, alpha += 32) addEight(sums, parts, excess, alpha, step);
}

/** Adds `alpha` times integers in four parts of 7 bits to 8 sums. */
@inline
function addEight(sums: usize, parts: usize, excess: v128, alpha: usize, step: v128): void {
  const p0 = v128.load(parts), p1 = v128.load(parts, 16), p2 = v128.load(parts, 32), p3 = v128.load(parts, 48);
  const low0 = i32x4.extend_low_i16x8_u(p0), low1 = i32x4.extend_low_i16x8_u(p1);
  const low2 = i32x4.extend_low_i16x8_u(p2), low3 = i32x4.extend_low_i16x8_u(p3);
  addFour(sums, low0, low1, low2, low3, excess, v128.load(alpha), step);
  const high0 = i32x4.extend_high_i16x8_u(p0), high1 = i32x4.extend_high_i16x8_u(p1);
  const high2 = i32x4.extend_high_i16x8_u(p2), high3 = i32x4.extend_high_i16x8_u(p3);
  addFour(sums + 16, high0, high1, high2, high3, excess, v128.load(alpha, 16), step);
}

@inline
function addFour(sums: usize, p0: v128, p1: v128, p2: v128, p3: v128, excess: v128, alpha: v128, step: v128): void {
  const low = f32x4.convert_i32x4_s(i32x4.add(p0, i32x4.shl(p1, 7)));
  const high = f32x4.convert_i32x4_s(i32x4.sub(i32x4.add(p2, i32x4.shl(p3, 7)), excess));
  const value = f32x4.mul(alpha, f32x4.add(low, f32x4.mul(f32x4.splat(16384), high)));
  v128.store(sums, f32x4.add(v128.load(sums), f32x4.mul(step, value)));
}

/** Adds the sum of some inputs times 32 offsets to 32 sums. */
@inline
function addOffsets(sums: usize, offsets: usize, sum: f64): void {
  const x = f32x4.splat(<f32> sum);
  for (let at: usize = 0; at < 128; at += 16) {
    const product = f32x4.mul(x, v128.load(offsets + at));
    v128.store(sums + at, f32x4.add(v128.load(sums + at), product));
  }
}

/** Columns `[k0, end)` of one row, whose tables are at `tables`, times block `block`: 32 sums at `sums`, before the tables. */
function lookUpBlock(tables: usize, block: usize, k0: usize, end: usize, sums: usize): void {
  memory.fill(sums, 0, 128);
  const source = codes + block * blockBytes, range0 = ranges + block * groups * rangeBytes, stride = planes << 5, parts = tables + partsAt;
  for (let column = k0; column < end;) {
    const group = column / groupSize, range = range0 + group * rangeBytes;
    const next = min(min(end, (group + 1) * groupSize), (column & ~(stepBlock - 1)) + stepBlock);
    const step = v128.load32_splat(tables + stepsAt + ((column - k0) / stepBlock << 2));
    const table = tables + ((column - k0) << 4), code = source + (column >> 3) * stride;
    for (let plane: usize = 0; plane < planes; plane++) {
      lookUpRun(table, code + (plane << 5), stride, (next - column) >> 3, range + (plane << 7), step, sums, parts);
    }
    if (hasOffsets()) {
      const totals = tables + sumsAt - k0;
      addOffsets(sums, range + (planes << 7), load<f64>(totals + next) - load<f64>(totals + column));
    }
    column = next;
  }
}

/** Blocks `[begin, end)` of one row by look-up; false where the row is not fit for it. */
function lookUpRow(begin: usize, end: usize, scratch: usize, x: usize, c: usize, n: usize, k: usize): bool {
  const tables = scratch + 128;
  for (let k0: usize = 0; k0 < k; k0 += tableBlock) {
    const next = min(k, k0 + tableBlock);
    if (!makeTables(x + (k0 << 2), next - k0, tables)) return false;
    for (let block = begin; block < end; block++) {
      lookUpBlock(tables, block, k0, next, scratch);
      addTo(scratch, c + (block << 7), min<usize>(32, n - (block << 5)), k0 > 0);
    }
  }
  return true;
}

/** Blocks `[begin, end)` of one row from float32 values. */
function valuesRow(begin: usize, end: usize, scratch: usize, x: usize, b: usize, c: usize, n: usize, k: usize): void {
  const room = scratch + 128, panels = (n + 7) >> 3;
  for (let panel = begin << 2; panel < min(panels, end << 2); panel++) {
    for (let k0: usize = 0; k0 < k; k0 += depthBlock) {
      const depth = min(depthBlock, k - k0);
      binaryPanel(room, b, panel, k0, depth);
      strip(x + (k0 << 2), room, depth, scratch, false);
      addTo(scratch, c + (panel << 5), min<usize>(8, n - (panel << 3)), k0 > 0);
    }
  }
}

/**
 * Kernel: `c[n] = a b + bias` for one row and binary codes `b`; unit `u` is output features `32 u` to `32 u + 31`.
 * Scratch: 18.1 KiB.
 */
export function lookUp(
  begin: usize, end: usize, scratch: usize, a: usize, b: usize, bias: usize, c: usize, n: usize, k: usize,
): void {
  enterBinary(b);
  if (!lookUpRow(begin, end, scratch, a, c, n, k)) valuesRow(begin, end, scratch, a, b, c, n, k);
  if (bias) addBias(c, bias, begin << 5, min(n, end << 5));
}
