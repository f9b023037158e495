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
 * codes stay integers, and the row becomes fixed point (`packed_row.ts`).
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions


// The header of the weight at hand, see `enter`.
export let bits: usize, groupSize: usize, groups: usize, panelBytes: usize, zeroBytes: bool;
export let codes: usize, ranges: usize, rangeBytes: usize, columnGroups: usize;

/** Reads a header of 8 words: bits, group size, groups of a row, bytes of a panel's codes, zeros are bytes, offsets. */
export function enter(weight: usize): void {
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
// 1 bits of each byte; masks of bytes 0 and 1; float32 2^23 and 2^15, whose last 8 bits (from bit 0, from bit 8) count; a mask of
// every other byte; 16-bit 1 and 256, float32 256.
const constants: usize = memory.data<u32>([0x0f0f0f0f, 0x03030303, 0x01010101, 0xff, 0xff00, 0x4b000000, 0x47000000, 0x00ff00ff, 0x00010001, 0x01000100, 0x43800000], 16);

@inline
export function constant(i: usize): v128 {
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
export function plane(bits: usize, panel: usize, quad: usize, width: usize): v128 {
  if (bits == 8) return v128.load(panel + (quad << 5) + (width == 4 ? 0 : 16));
  if (bits == 4) return v128.load(panel + (quad << 4));
  const block = panel + (quad >> 2) * (bits << 4);
  if (width == 4) return v128.load(block + ((quad & 3) << 4));
  if (width == 2) return v128.load(block + (bits & 4 ? 64 : 0) + ((quad & 2) << 3));
  return v128.load(block + ((bits - 1) << 4));
}

/** Columns `4 quad` to `4 quad + 3`, output features 0-3 (`half` 0) or 4-7 of a panel, as bytes. */
@inline
export function halfQuad(bits: usize, nibbles: v128, pairs: v128, ones: v128, quad: usize, half: usize, low: v128): v128 {
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
