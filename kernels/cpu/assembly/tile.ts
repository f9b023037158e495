/**
 * The two inner loops that all matrix products share: a 4 x 8 tile (many rows) and a 1 x 8n strip (one row).
 *
 * V8 checks the bounds of every load, so loads are dearer than shuffles here: four rows of `a` come in one load and
 * are spread by shuffles, which leaves 3 loads for 16 multiply-adds. Both loops add the products of one output in the
 * same order (k ascending inside blocks of 256, blocks ascending), so an output has the same bits in either.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

/** Products summed before the sum is added to the output. */
export const depthBlock: usize = 256;

/**
 * `c[4][8] (+)= a b` for panels `a` `[depth][4]` and `b` `[depth][8]`; rows of `c` are `cStride` bytes apart.
 * With `accumulate` the sum is added to `c`, without it replaces `c`.
 */
export function tile(a: usize, b: usize, depth: usize, c: usize, cStride: usize, accumulate: bool): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  const end = b + (depth << 5);
  while (b < end) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), rows = v128.load(a);
    let row = v128.shuffle<f32>(rows, rows, 0, 0, 0, 0);
    c00 = f32x4.add(c00, f32x4.mul(row, b0));
    c01 = f32x4.add(c01, f32x4.mul(row, b1));
    row = v128.shuffle<f32>(rows, rows, 1, 1, 1, 1);
    c10 = f32x4.add(c10, f32x4.mul(row, b0));
    c11 = f32x4.add(c11, f32x4.mul(row, b1));
    row = v128.shuffle<f32>(rows, rows, 2, 2, 2, 2);
    c20 = f32x4.add(c20, f32x4.mul(row, b0));
    c21 = f32x4.add(c21, f32x4.mul(row, b1));
    row = v128.shuffle<f32>(rows, rows, 3, 3, 3, 3);
    c30 = f32x4.add(c30, f32x4.mul(row, b0));
    c31 = f32x4.add(c31, f32x4.mul(row, b1));
    a += 16;
    b += 32;
  }
  storeRow(c, c00, c01, accumulate);
  storeRow(c + cStride, c10, c11, accumulate);
  storeRow(c + 2 * cStride, c20, c21, accumulate);
  storeRow(c + 3 * cStride, c30, c31, accumulate);
}

@inline
function storeRow(c: usize, first: v128, second: v128, accumulate: bool): void {
  if (accumulate) {
    first = f32x4.add(v128.load(c), first);
    second = f32x4.add(v128.load(c, 16), second);
  }
  v128.store(c, first);
  v128.store(c, second, 16);
}

/** `c[8] (+)= a b` for one row `a` `[depth]` and a panel `b` `[depth][8]`. */
export function strip(a: usize, b: usize, depth: usize, c: usize, accumulate: bool): void {
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0);
  const end = a + (depth << 2);
  while (a < end) {
    const x = v128.load32_splat(a);
    c0 = f32x4.add(c0, f32x4.mul(x, v128.load(b)));
    c1 = f32x4.add(c1, f32x4.mul(x, v128.load(b, 16)));
    a += 4;
    b += 32;
  }
  storeRow(c, c0, c1, accumulate);
}

/** Four strips at once, from panels that are `panelStride` bytes apart, to hide the latency of the additions. */
export function strip4(
  a: usize,
  b: usize,
  panelStride: usize,
  depth: usize,
  c: usize,
  accumulate: bool,
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let p1 = b + panelStride, p2 = p1 + panelStride, p3 = p2 + panelStride;
  const end = a + (depth << 2);
  while (a < end) {
    const x = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(x, v128.load(b)));
    c01 = f32x4.add(c01, f32x4.mul(x, v128.load(b, 16)));
    c10 = f32x4.add(c10, f32x4.mul(x, v128.load(p1)));
    c11 = f32x4.add(c11, f32x4.mul(x, v128.load(p1, 16)));
    c20 = f32x4.add(c20, f32x4.mul(x, v128.load(p2)));
    c21 = f32x4.add(c21, f32x4.mul(x, v128.load(p2, 16)));
    c30 = f32x4.add(c30, f32x4.mul(x, v128.load(p3)));
    c31 = f32x4.add(c31, f32x4.mul(x, v128.load(p3, 16)));
    a += 4;
    b += 32;
    p1 += 32;
    p2 += 32;
    p3 += 32;
  }
  storeRow(c, c00, c01, accumulate);
  storeRow(c + 32, c10, c11, accumulate);
  storeRow(c + 64, c20, c21, accumulate);
  storeRow(c + 96, c30, c31, accumulate);
}
