/** The inner loop of float64 matrix products: a 4 x 4 tile, two lanes at a time. Compiled by `build.ts`. */

/**
 * `c[4][4] -= a b` for panels `a` and `b` `[depth][4]`; rows of `c` are `cStride` bytes apart. The products of an
 * element are added with depth ascending.
 */
function tile(a: usize, b: usize, depth: usize, c: usize, cStride: usize): void {
  let c00 = f64x2.splat(0), c01 = f64x2.splat(0);
  let c10 = f64x2.splat(0), c11 = f64x2.splat(0);
  let c20 = f64x2.splat(0), c21 = f64x2.splat(0);
  let c30 = f64x2.splat(0), c31 = f64x2.splat(0);
  const end = b + (depth << 5);
  while (b < end) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const a0 = v128.load(a), a1 = v128.load(a, 16);
    let row = v128.shuffle<f64>(a0, a0, 0, 0);
    c00 = f64x2.add(c00, f64x2.mul(row, b0));
    c01 = f64x2.add(c01, f64x2.mul(row, b1));
    row = v128.shuffle<f64>(a0, a0, 1, 1);
    c10 = f64x2.add(c10, f64x2.mul(row, b0));
    c11 = f64x2.add(c11, f64x2.mul(row, b1));
    row = v128.shuffle<f64>(a1, a1, 0, 0);
    c20 = f64x2.add(c20, f64x2.mul(row, b0));
    c21 = f64x2.add(c21, f64x2.mul(row, b1));
    row = v128.shuffle<f64>(a1, a1, 1, 1);
    c30 = f64x2.add(c30, f64x2.mul(row, b0));
    c31 = f64x2.add(c31, f64x2.mul(row, b1));
    a += 32;
    b += 32;
  }
  subtract(c, c00, c01);
  subtract(c + cStride, c10, c11);
  subtract(c + 2 * cStride, c20, c21);
  subtract(c + 3 * cStride, c30, c31);
}

function subtract(c: usize, first: v128, second: v128): void {
  v128.store(c, f64x2.sub(v128.load(c), first));
  v128.store(c, f64x2.sub(v128.load(c, 16), second), 16);
}

/** `c[rows][columns] -= a b`: `a` in panels `[depth][4]` of four rows, `b` of four columns; both counts multiples of 4. */
export function subtractPanels(
  a: usize,
  b: usize,
  c: usize,
  rows: usize,
  columns: usize,
  depth: usize,
): void {
  const panel = depth << 5;
  for (let column: usize = 0; column < columns; column += 4, b += panel) {
    for (let row: usize = 0, from = a; row < rows; row += 4, from += panel) {
      tile(from, b, depth, c + ((row * columns + column) << 3), columns << 3);
    }
  }
}
