/**
 * Weights of binary codes, `w = sum_i alpha_i B_i + offset`, as `../binary.ts` lays them out: a header; for 32 output
 * features (a block), 8 columns and each plane 32 bytes; for a block and each group 32 scales of every plane, then 32
 * offsets, if there are any. Byte `2 i` of the first 16 belongs to output feature `i` of the block, byte `2 i + 1` to
 * feature `8 + i`, the others to 16 more features; its bit `j` is set where column `j` of the eight is +1.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

// The header of the weight at hand, see `enterBinary`.
export let planes: usize, groupSize: usize, groups: usize, blockBytes: usize, rangeBytes: usize, codes: usize, ranges: usize;

/** Reads a header of 6 words: planes, group size, groups of a row, bytes of a block's codes, of a range, where ranges begin. */
export function enterBinary(weight: usize): void {
  planes = load<u32>(weight);
  groupSize = load<u32>(weight, 4);
  groups = load<u32>(weight, 8);
  blockBytes = load<u32>(weight, 12);
  rangeBytes = load<u32>(weight, 16);
  codes = weight + 64;
  ranges = weight + load<u32>(weight, 20);
}

/** Whether groups have offsets. */
@inline
export function hasOffsets(): bool {
  return rangeBytes > planes << 7;
}

/**
 * Columns `[k0, k0 + depth)` of panel `panel` (8 output features) as `[depth][8]` float32 at `to`, where there must be
 * room for `depth` rounded up to a multiple of 8; `k0` is one.
 */
export function binaryPanel(to: usize, weight: usize, panel: usize, k0: usize, depth: usize): void {
  enterBinary(weight);
  const block = panel >> 2, half = (panel >> 1) & 1;
  const source = codes + block * blockBytes + (half << 4) + (panel & 1);
  const range0 = ranges + block * groups * rangeBytes + ((panel & 3) << 5);
  for (let column = k0; column < k0 + depth; column += 8, to += 256) {
    const range = range0 + column / groupSize * rangeBytes, code = source + (column >> 3) * (planes << 5);
    fourFeatures(to, code, range);
    fourFeatures(to + 16, code + 8, range + 16);
  }
}

/** Four features, whose signs are bytes 0, 2, 4 and 6 at `code`, of eight columns: to 16 bytes of every 32 at `to`. */
function fourFeatures(to: usize, code: usize, range: usize): void {
  let v0 = f32x4.splat(0), v1 = v0, v2 = v0, v3 = v0, v4 = v0, v5 = v0, v6 = v0, v7 = v0;
  const end = range + (planes << 7);
  for (; range < end; range += 128, code += 32) {
    const alpha = v128.load(range), sign = i32x4.splat(0x80000000);
    // Bit `j` of each lane is set where column `j` is -1; what is above bit 7 does not matter.
    const minus = v128.not(i32x4.extend_low_i16x8_u(v128.load64_zero(code)));
    v0 = f32x4.add(v0, v128.xor(alpha, i32x4.shl(minus, 31)));
    v1 = f32x4.add(v1, v128.xor(alpha, v128.and(i32x4.shl(minus, 30), sign)));
    v2 = f32x4.add(v2, v128.xor(alpha, v128.and(i32x4.shl(minus, 29), sign)));
    v3 = f32x4.add(v3, v128.xor(alpha, v128.and(i32x4.shl(minus, 28), sign)));
    v4 = f32x4.add(v4, v128.xor(alpha, v128.and(i32x4.shl(minus, 27), sign)));
    v5 = f32x4.add(v5, v128.xor(alpha, v128.and(i32x4.shl(minus, 26), sign)));
    v6 = f32x4.add(v6, v128.xor(alpha, v128.and(i32x4.shl(minus, 25), sign)));
    v7 = f32x4.add(v7, v128.xor(alpha, v128.and(i32x4.shl(minus, 24), sign)));
  }
  if (hasOffsets()) {
    const offset = v128.load(range);
    v0 = f32x4.add(v0, offset), v1 = f32x4.add(v1, offset), v2 = f32x4.add(v2, offset), v3 = f32x4.add(v3, offset);
    v4 = f32x4.add(v4, offset), v5 = f32x4.add(v5, offset), v6 = f32x4.add(v6, offset), v7 = f32x4.add(v7, offset);
  }
  v128.store(to, v0), v128.store(to, v1, 32), v128.store(to, v2, 64), v128.store(to, v3, 96);
  v128.store(to, v4, 128), v128.store(to, v5, 160), v128.store(to, v6, 192), v128.store(to, v7, 224);
}
