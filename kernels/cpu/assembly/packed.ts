/**
 * Packed weights: integer codes that become float32 panels (`[depth][8]`, eight output features) as they are needed.
 *
 * A weight in memory (laid out by `../packed.ts`): a header, the codes, the ranges, and the columns' groups where
 * these are no plain runs. Codes come in blocks of 16 columns and 8 output features: 128 codes, as many vectors of 16
 * bytes as a code has bits. A code is split into planes of 4, 2 and 1 bits (8-bit codes are whole bytes). Unpacking
 * takes shifts and masks only, and ends in vectors whose byte `4 l + j` is the code of column `j` of four and of
 * output feature `l` of four: byte `j` of the 32-bit lanes is what the multiplication needs next.
 *
 * With several rows, values are `scale * (code - zero)` in float32, added up in the order of `tile.ts`: an output has the
 * same bits as with the dense weight. With one row, as in decoding, unpacking would cost more than the product: there
 * codes stay integers, and the row becomes fixed point.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions


// The header of the weight at hand, see `enter`.
let bits: usize, groupSize: usize, groups: usize, panelBytes: usize, zeroBytes: bool;
let codes: usize, ranges: usize, rangeBytes: usize, columnGroups: usize;

/** Reads a header of 8 words: bits, group size, groups of a row, bytes of a panel's codes, zeros are bytes, offsets. */
function enter(weight: usize): void {
  bits = load<u32>(weight);
  groupSize = load<u32>(weight, 4);
  groups = load<u32>(weight, 8);
  panelBytes = load<u32>(weight, 12);
  zeroBytes = load<u32>(weight, 16) != 0;
  rangeBytes = zeroBytes ? 40 : 64;
  codes = weight + 64;
  ranges = weight + load<u32>(weight, 20);
  columnGroups = load<u32>(weight, 24);
  if (columnGroups) columnGroups += weight;
}

/** Zero points of output features 0-3 or 4-7 (`half`) of a range as float32. */
@inline
function zerosOf(range: usize, half: usize): v128 {
  if (!zeroBytes) return v128.load(range + 32 + (half << 4));
  const words = i16x8.extend_low_i8x16_u(v128.load32_zero(range + 32 + (half << 2)));
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(words));
}

// Constants lie in memory, as V8 builds a vector constant with four instructions wherever it is used. Masks of 4, 2 and
// 1 bits of each byte; masks of bytes 0 and 1; float32 2^23 and 2^15, whose last 8 bits (from bit 0, from bit 8) count; a mask of every
// other byte; 16-bit ones.
const constants: usize = memory.data<u32>([0x0f0f0f0f, 0x03030303, 0x01010101, 0xff, 0xff00, 0x4b000000, 0x47000000, 0x00ff00ff, 0x00010001], 16);

@inline
function constant(i: usize): v128 {
  return v128.load32_splat(constants + (i << 2));
}

/** The codes of half a quad (4 columns, 4 output features) from its planes: `t = 2 quad + half` within the block. */
@inline
function join(bits: usize, nibbles: v128, pairs: v128, ones: v128, quad: usize, half: usize, low: v128): v128 {
  let all = nibbles;
  if (bits & 4) all = v128.and(half ? i32x4.shr_u(nibbles, 4) : nibbles, low);
  if (bits & 2) {
    const pair = v128.and(
      i32x4.shr_u(pairs, <i32> (((quad & 1) << 2) + (half << 1))), constant(1));
    all = bits & 4 ? v128.or(all, i32x4.shl(pair, 4)) : pair;
  }
  if (bits & 1) {
    const one = v128.and(i32x4.shr_u(ones, <i32> ((quad << 1) + half)), constant(2));
    all = bits == 1 ? one : v128.or(all, i32x4.shl(one, <i32> (bits & 6)));
  }
  return all;
}

/**
 * The vector of a plane (of 4, 2 or 1 bits; of 8-bit codes the halves of the panel are 4 and 2) that has the codes of
 * a quad of columns. Blocks of 4-bit and 8-bit codes have no planes: quads follow each other.
 */
@inline
function plane(bits: usize, panel: usize, quad: usize, width: usize): v128 {
  if (bits == 8) return v128.load(panel + (quad << 5) + (width == 4 ? 0 : 16));
  if (bits == 4) return v128.load(panel + (quad << 4));
  const block = panel + (quad >> 2) * (bits << 4);
  if (width == 4) return v128.load(block + ((quad & 3) << 4));
  if (width == 2) return v128.load(block + (bits & 4 ? 64 : 0) + ((quad & 2) << 3));
  return v128.load(block + ((bits - 1) << 4));
}

/** Columns `4 quad` to `4 quad + 3`, output features 0-3 (`half` 0) or 4-7 of a panel, as bytes. */
@inline
function halfQuad(bits: usize, nibbles: v128, pairs: v128, ones: v128, quad: usize, half: usize, low: v128): v128 {
  if (bits == 8) return half ? pairs : nibbles;
  return join(bits, nibbles, pairs, ones, quad, half, low);
}

/**
 * Four float32 values of the codes in byte `j` of each lane. No integer is converted: a code in the last bits of 2^23
 * (`ge`, byte 0) or of 2^15 (byte 1, after the mask `me`) makes that number larger by the code, and the subtraction of
 * the zero point takes both away: `ze` is `2^23 + zero` or `2^15 + zero`. All of it is exact.
 */
@inline
function values(bytes: v128, j: i32, m0: v128, m1: v128, g0: v128, g1: v128, s: v128, z0: v128, z1: v128): v128 {
  if (j == 3) return f32x4.mul(s, f32x4.sub(v128.or(i32x4.shr_u(bytes, 24), g0), z0));
  if (j == 2) bytes = i32x4.shr_u(bytes, 8);
  if (j) return f32x4.mul(s, f32x4.sub(v128.or(v128.and(bytes, m1), g1), z1));
  return f32x4.mul(s, f32x4.sub(v128.or(v128.and(bytes, m0), g0), z0));
}

/** Values of quads `[first, last)` of a panel that share a range: `[4 (last - first)][8]` at `to`. */
@inline
function dequantizeRun(
  bits: usize, to: usize, panel: usize, first: usize, last: usize, s0: v128, s1: v128, z0: v128, z1: v128,
): void {
  const low = constant(0), m0 = constant(3), m1 = constant(4), g0 = constant(5), g1 = constant(6);
  const z00 = f32x4.add(z0, g0), z01 = f32x4.add(z0, g1), z10 = f32x4.add(z1, g0), z11 = f32x4.add(z1, g1);
  for (let quad = first; quad < last; quad++, to += 128) {
    const q = quad & 3;
    const nibbles = bits & 12 ? plane(bits, panel, quad, 4) : low;
    const pairs = bits & 10 ? plane(bits, panel, quad, 2) : low;
    const ones = bits & 1 ? plane(bits, panel, quad, 1) : low;
    const b0 = halfQuad(bits, nibbles, pairs, ones, q, 0, low);
    v128.store(to, values(b0, 0, m0, m1, g0, g1, s0, z00, z01));
    v128.store(to, values(b0, 1, m0, m1, g0, g1, s0, z00, z01), 32);
    v128.store(to, values(b0, 2, m0, m1, g0, g1, s0, z00, z01), 64);
    v128.store(to, values(b0, 3, m0, m1, g0, g1, s0, z00, z01), 96);
    const b1 = halfQuad(bits, nibbles, pairs, ones, q, 1, low);
    v128.store(to, values(b1, 0, m0, m1, g0, g1, s1, z10, z11), 16);
    v128.store(to, values(b1, 1, m0, m1, g0, g1, s1, z10, z11), 48);
    v128.store(to, values(b1, 2, m0, m1, g0, g1, s1, z10, z11), 80);
    v128.store(to, values(b1, 3, m0, m1, g0, g1, s1, z10, z11), 112);
  }
}

/** {@linkcode dequantizeRun}, compiled apart for every number of bits. */
function dequantizeQuads(
  to: usize, panel: usize, first: usize, last: usize, s0: v128, s1: v128, z0: v128, z1: v128,
): void {
  if (bits == 4) dequantizeRun(4, to, panel, first, last, s0, s1, z0, z1);
  else if (bits == 8) dequantizeRun(8, to, panel, first, last, s0, s1, z0, z1);
  else if (bits == 3) dequantizeRun(3, to, panel, first, last, s0, s1, z0, z1);
  else if (bits == 2) dequantizeRun(2, to, panel, first, last, s0, s1, z0, z1);
  else if (bits == 6) dequantizeRun(6, to, panel, first, last, s0, s1, z0, z1);
  else if (bits == 5) dequantizeRun(5, to, panel, first, last, s0, s1, z0, z1);
  else if (bits == 7) dequantizeRun(7, to, panel, first, last, s0, s1, z0, z1);
  else dequantizeRun(1, to, panel, first, last, s0, s1, z0, z1);
}

/**
 * Columns `[k0, k0 + depth)` of a panel as `[depth][8]` float32 at `to`, where there must be room for `depth` rounded
 * up to a multiple of 4; `k0` is a multiple of 16.
 */
export function dequantizePanel(to: usize, weight: usize, panel: usize, k0: usize, depth: usize): void {
  enter(weight);
  const source = codes + panel * panelBytes, range0 = ranges + panel * groups * rangeBytes;
  const end = k0 + depth;
  if (columnGroups || !zeroBytes) {
    const one = f32x4.splat(1), none = f32x4.splat(0);
    dequantizeQuads(to, source, k0 >> 2, (end + 3) >> 2, one, one, none, none);
    for (let column = k0; column < end; column++, to += 32) {
      const group: usize = columnGroups ? load<u32>(columnGroups + (column << 2)) : column / groupSize;
      const range = range0 + group * rangeBytes;
      const a = f32x4.sub(v128.load(to), zerosOf(range, 0)), b = f32x4.sub(v128.load(to, 16), zerosOf(range, 1));
      v128.store(to, f32x4.mul(v128.load(range), a));
      v128.store(to, f32x4.mul(v128.load(range, 16), b), 16);
    }
    return;
  }
  for (let column = k0; column < end;) {
    const group = column / groupSize, next = min(end, (group + 1) * groupSize);
    const range = range0 + group * rangeBytes;
    dequantizeQuads(
      to + ((column - k0) << 5), source, column >> 2, (next + 3) >> 2,
      v128.load(range), v128.load(range, 16), zerosOf(range, 0), zerosOf(range, 1),
    );
    column = next;
  }
}

/** Whether {@linkcode stripPacked} can multiply with a weight: groups are runs of columns, zeros are integers. */
export function canStrip(weight: usize): bool {
  enter(weight);
  return columnGroups == 0 && zeroBytes;
}

/** Columns that {@linkcode fixedPoint} takes at once. */
export const fixedBlock: usize = 4096;

/**
 * One row `x` `[k]` in fixed point, for products with codes in integer arithmetic: `x = step * (2^15 high + low)`, where
 * high and low are 16-bit integers and `step` is a power of two, at most 2^-28 of the largest `|x|`. For every four
 * columns 16 bytes at `to`: the high parts of columns 0, 2, 1, 3, then the low parts. Columns up to a multiple of four
 * are 0. Returns `step`, or 0 where `x` has no such form (all zeros, NaN, infinities, nothing but tiny numbers).
 */
export function fixedPoint(x: usize, k: usize, to: usize): f32 {
  let most: f32 = 0;
  for (let i: usize = 0; i < k; i++) most = max(most, abs(load<f32>(x + (i << 2))));
  const exponent = <i32> (reinterpret<u32>(most) >> 23);
  if (exponent < 29 || exponent > 254) return 0;
  const scale = reinterpret<f32>((282 - exponent) << 23);
  for (let i: usize = 0; i < (k + 3 & ~3); i++) {
    const q = i < k ? <i32> nearest<f32>(load<f32>(x + (i << 2)) * scale) : 0;
    const high = (q + 0x4000) >> 15, place = to + ((i >> 2) << 4) + ((i & 2) | ((i & 1) << 2));
    store<i16>(place, <i16> high);
    store<i16>(place, <i16> (q - (high << 15)), 8);
  }
  return reinterpret<f32>((exponent - 28) << 23);
}

/**
 * Adds `x` (of {@linkcode fixedPoint}) times quads `[first, last)` of a panel, which share the range, to the 8 sums in
 * `sums`. Products of codes and of the parts of `x`, and their sums, are exact; `last - first` may be `2^(14 - bits)`.
 */
@inline
function stripRun(bits: usize, sums: usize, x: usize, step: v128, panel: usize, first: usize, last: usize, range: usize): void {
  const low = constant(0), bytes = constant(7), one = constant(8);
  let h0 = i32x4.splat(0), h1 = h0, l0 = h0, l1 = h0, total = h0;
  for (let quad = first; quad < last; quad++, x += 16) {
    const q = quad & 3;
    const nibbles = bits & 12 ? plane(bits, panel, quad, 4) : low;
    const pairs = bits & 10 ? plane(bits, panel, quad, 2) : low;
    const ones = bits & 1 ? plane(bits, panel, quad, 1) : low;
    const b0 = halfQuad(bits, nibbles, pairs, ones, q, 0, low), b1 = halfQuad(bits, nibbles, pairs, ones, q, 1, low);
    const even0 = v128.and(b0, bytes), odd0 = v128.and(i32x4.shr_u(b0, 8), bytes);
    const even1 = v128.and(b1, bytes), odd1 = v128.and(i32x4.shr_u(b1, 8), bytes);
    let part = v128.load32_splat(x);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(even0, part));
    h1 = i32x4.add(h1, i32x4.dot_i16x8_s(even1, part));
    part = v128.load32_splat(x, 4);
    h0 = i32x4.add(h0, i32x4.dot_i16x8_s(odd0, part));
    h1 = i32x4.add(h1, i32x4.dot_i16x8_s(odd1, part));
    part = v128.load32_splat(x, 8);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(even0, part));
    l1 = i32x4.add(l1, i32x4.dot_i16x8_s(even1, part));
    part = v128.load32_splat(x, 12);
    l0 = i32x4.add(l0, i32x4.dot_i16x8_s(odd0, part));
    l1 = i32x4.add(l1, i32x4.dot_i16x8_s(odd1, part));
    total = i32x4.add(total, i32x4.dot_i16x8_s(v128.load(x), one));
  }
  total = i32x4.add(total, v128.shuffle<i32>(total, total, 1, 0, 3, 2));
  const highs = v128.shuffle<i32>(total, total, 0, 0, 0, 0), lows = v128.shuffle<i32>(total, total, 2, 2, 2, 2);
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

/** {@linkcode stripRun}, compiled apart for every number of bits. */
function stripQuads(sums: usize, x: usize, step: v128, panel: usize, first: usize, last: usize, range: usize): void {
  if (bits == 4) stripRun(4, sums, x, step, panel, first, last, range);
  else if (bits == 8) stripRun(8, sums, x, step, panel, first, last, range);
  else if (bits == 3) stripRun(3, sums, x, step, panel, first, last, range);
  else if (bits == 2) stripRun(2, sums, x, step, panel, first, last, range);
  else if (bits == 6) stripRun(6, sums, x, step, panel, first, last, range);
  else if (bits == 5) stripRun(5, sums, x, step, panel, first, last, range);
  else if (bits == 7) stripRun(7, sums, x, step, panel, first, last, range);
  else stripRun(1, sums, x, step, panel, first, last, range);
}

/**
 * `sums[8] += x b` for columns `[k0, end)` of one row, which {@linkcode fixedPoint} put at `x`, and one panel. After
 * {@linkcode canStrip} of the same weight; `k0` is a multiple of 16.
 */
export function stripPacked(x: usize, step: f32, weight: usize, panel: usize, k0: usize, end: usize, sums: usize): void {
  enter(weight);
  const source = codes + panel * panelBytes, range0 = ranges + panel * groups * rangeBytes;
  const most: usize = 1 << (16 - bits), steps = f32x4.splat(step);
  for (let column = k0; column < end;) {
    const group = column / groupSize, next = min(min(end, (group + 1) * groupSize), column + most);
    const range = range0 + group * rangeBytes;
    stripQuads(sums, x + ((column - k0) << 2), steps, source, column >> 2, (next + 3) >> 2, range);
    column = next;
  }
}
