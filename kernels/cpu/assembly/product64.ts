/**
 * Products of float64 matrices that are subtracted from a matrix, for factorizations and error compensation. An inner
 * loop of 4 x 4 keeps its sums in registers; operands are packed in scratch, so that it reads straight ahead.
 */
// deno-fmt-ignore-file -- deno fmt drops the decorators of functions

/** Products summed before the sum is subtracted from the output, and rows and columns of a unit. */
const depthBlock: usize = 128, rowBlock: usize = 128, columnBlock: usize = 128;

/** `c[4][4] -= a b` for panels `a` and `b` `[depth][4]`; rows of `c` are `cStride` bytes apart. */
function tile64(a: usize, b: usize, depth: usize, c: usize, cStride: usize): void {
  let c00 = f64x2.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  let b0 = c00, b1 = c00, row = c00, pair = c00;
  const end = b + (depth << 5);
  while (b < end) {
    b0 = v128.load(b), b1 = v128.load(b, 16), pair = v128.load(a);
    row = v128.shuffle<f64>(pair, pair, 0, 0);
    c00 = f64x2.add(c00, f64x2.mul(row, b0)), c01 = f64x2.add(c01, f64x2.mul(row, b1));
    row = v128.shuffle<f64>(pair, pair, 1, 1);
    c10 = f64x2.add(c10, f64x2.mul(row, b0)), c11 = f64x2.add(c11, f64x2.mul(row, b1));
    pair = v128.load(a, 16);
    row = v128.shuffle<f64>(pair, pair, 0, 0);
    c20 = f64x2.add(c20, f64x2.mul(row, b0)), c21 = f64x2.add(c21, f64x2.mul(row, b1));
    row = v128.shuffle<f64>(pair, pair, 1, 1);
    c30 = f64x2.add(c30, f64x2.mul(row, b0)), c31 = f64x2.add(c31, f64x2.mul(row, b1));
    a += 32, b += 32;
  }
  subtractRow(c, c00, c01), subtractRow(c + cStride, c10, c11);
  c += 2 * cStride;
  subtractRow(c, c20, c21), subtractRow(c + cStride, c30, c31);
}

@inline
function subtractRow(c: usize, first: v128, second: v128): void {
  v128.store(c, f64x2.sub(v128.load(c), first));
  v128.store(c, f64x2.sub(v128.load(c, 16), second), 16);
}

/**
 * Panels `[depth][width]` of `count` lanes that are `laneStep` bytes apart; depths are `depthStep` bytes apart. One of
 * the two steps is 8. Lanes up to a multiple of `width` become 0.
 */
function pack64(to: usize, width: usize, from: usize, laneStep: usize, depthStep: usize, count: usize, depth: usize): void {
  const step = width << 3;
  for (let lane: usize = 0; lane < count; lane += width, from += width * laneStep) {
    const lanes = min(width, count - lane), next = to + depth * step;
    if (lanes < width) memory.fill(to, 0, next - to);
    if (lanes == width && laneStep == 8) {
      for (let at = from; to < next; to += step, at += depthStep) {
        for (let byte: usize = 0; byte < step; byte += 16) v128.store(to + byte, v128.load(at + byte));
      }
    } else if (lanes == width && depthStep == 8 && (depth & 1) == 0) {
      // Two lanes by two depths at a time.
      for (let i: usize = 0; i < width; i += 2) {
        let a = from + i * laneStep, b = a + laneStep;
        for (let target = to + (i << 3); target < next; target += 2 * step, a += 16, b += 16) {
          const x = v128.load(a), y = v128.load(b);
          v128.store(target, v128.shuffle<f64>(x, y, 0, 2));
          v128.store(target + step, v128.shuffle<f64>(x, y, 1, 3));
        }
      }
    } else {
      for (let i: usize = 0; i < lanes; i++) {
        let at = from + i * laneStep;
        for (let target = to + (i << 3); target < next; target += step, at += depthStep) store<f64>(target, load<f64>(at));
      }
    }
    to = next;
  }
}

/** {@linkcode tile64} where only `rows x columns` of the tile exist: on a copy at `edge`. */
function edgeTile(a: usize, b: usize, depth: usize, c: usize, cStride: usize, rows: usize, columns: usize, edge: usize): void {
  for (let row: usize = 0; row < rows; row++) memory.copy(edge + (row << 5), c + row * cStride, columns << 3);
  tile64(a, b, depth, edge, 32);
  for (let row: usize = 0; row < rows; row++) memory.copy(c + row * cStride, edge + (row << 5), columns << 3);
}

/**
 * Kernel: `c[m][n] -= a b`. Steps are bytes between rows and depths of `a`, between columns and depths of `b`; one of
 * each pair is 8. Unit `u` is the block of 128 rows and columns number `u`, columns fastest. The products of an output
 * are summed with the depth ascending, 128 at a time. `lower`: what lies above the diagonal of `c` may keep its value.
 * `replace`: `c = -a b`, where `a` may be `c` itself if it has no more than 128 columns. Scratch: `scratchBytes` in
 * `../../float64/product.ts`.
 */
export function subtractProduct(
  begin: usize, end: usize, scratch: usize, c: usize, cStride: usize, a: usize, aRow: usize, aDepth: usize,
  b: usize, bColumn: usize, bDepth: usize, m: usize, n: usize, k: usize, lower: bool, replace: bool,
): void {
  const blocks = (n + columnBlock - 1) / columnBlock, edge = scratch, right = scratch + 256;
  const left = right + (columnBlock * depthBlock << 3);
  for (let unit = begin; unit < end; unit++) {
    const row0 = unit / blocks * rowBlock, column0 = unit % blocks * columnBlock;
    const rows = min(rowBlock, m - row0), columns = min(columnBlock, n - column0);
    if (lower && row0 + rows <= column0) continue;
    for (let k0: usize = 0; k0 < k; k0 += depthBlock) {
      const depth = min(depthBlock, k - k0);
      pack64(left, 4, a + row0 * aRow + k0 * aDepth, aRow, aDepth, rows, depth);
      if (replace && k0 == 0) {
        for (let row = row0; row < row0 + rows; row++) memory.fill(c + row * cStride + (column0 << 3), 0, columns << 3);
      }
      pack64(right, 4, b + column0 * bColumn + k0 * bDepth, bColumn, bDepth, columns, depth);
      for (let column: usize = 0, panel = right; column < columns; column += 4, panel += depth << 5) {
        for (let row: usize = 0, four = left; row < rows; row += 4, four += depth << 5) {
          if (lower && row0 + row + 4 <= column0 + column) continue;
          const at = c + (row0 + row) * cStride + ((column0 + column) << 3);
          if (row + 4 <= rows && column + 4 <= columns) tile64(four, panel, depth, at, cStride);
          else edgeTile(four, panel, depth, at, cStride, min<usize>(4, rows - row), min<usize>(4, columns - column), edge);
        }
      }
    }
  }
}

/** Kernel: rows `[begin, end)` of `c` `[][columns]` lose `factors[row]` times `values` `[columns]`. */
export function subtractScaled(
  begin: usize, end: usize, _scratch: usize, c: usize, factors: usize, values: usize, columns: usize,
): void {
  for (let row = begin; row < end; row++) {
    const at = c + (row * columns << 3), factor = load<f64>(factors + (row << 3)), both = f64x2.splat(factor);
    let j: usize = 0;
    for (; j + 4 <= columns; j += 4) {
      const to = at + (j << 3), from = values + (j << 3);
      v128.store(to, f64x2.sub(v128.load(to), f64x2.mul(both, v128.load(from))));
      v128.store(to, f64x2.sub(v128.load(to, 16), f64x2.mul(both, v128.load(from, 16))), 16);
    }
    for (; j < columns; j++) {
      const to = at + (j << 3);
      store<f64>(to, load<f64>(to) - factor * load<f64>(values + (j << 3)));
    }
  }
}
