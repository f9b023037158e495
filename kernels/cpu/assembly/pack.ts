/**
 * Rearranges matrices into panels: `[depth][4]` for four rows of the left operand, `[depth][8]` for eight columns of
 * the right one, so that the inner loops read memory straight ahead. Lanes beyond the matrix become 0.
 */

/**
 * Four lanes of a panel from sequences of `depth` contiguous elements, `stride` bytes apart (a 4 x 4 transposition at
 * a time). Consecutive depths are `step` bytes apart in `to`; `count` lanes (at most 4, maybe none) exist.
 */
export function packLanes(
  to: usize,
  step: usize,
  from: usize,
  stride: usize,
  count: i32,
  depth: usize,
): void {
  let d: usize = 0;
  if (count >= 4) {
    const f1 = from + stride, f2 = f1 + stride, f3 = f2 + stride;
    for (; d + 4 <= depth; d += 4) {
      const at = d << 2;
      const a = v128.load(from + at), b = v128.load(f1 + at), c = v128.load(f2 + at), e = v128.load(f3 + at);
      const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      const ce0 = v128.shuffle<f32>(c, e, 0, 4, 1, 5), ce1 = v128.shuffle<f32>(c, e, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<f32>(ab0, ce0, 0, 1, 4, 5));
      v128.store(to + step, v128.shuffle<f32>(ab0, ce0, 2, 3, 6, 7));
      v128.store(to + 2 * step, v128.shuffle<f32>(ab1, ce1, 0, 1, 4, 5));
      v128.store(to + 3 * step, v128.shuffle<f32>(ab1, ce1, 2, 3, 6, 7));
      to += 4 * step;
    }
  }
  for (; d < depth; d++, to += step) {
    for (let lane: i32 = 0; lane < 4; lane++) {
      const value: f32 = lane < count ? load<f32>(from + <usize> lane * stride + (d << 2)) : 0;
      store<f32>(to + (<usize> lane << 2), value);
    }
  }
}

/** Four lanes of a panel from a matrix whose depths are `stride` bytes apart and whose lanes are contiguous. */
export function copyLanes(
  to: usize,
  step: usize,
  from: usize,
  stride: usize,
  count: i32,
  depth: usize,
): void {
  if (count >= 4) {
    for (let d: usize = 0; d < depth; d++, to += step, from += stride) v128.store(to, v128.load(from));
    return;
  }
  for (let d: usize = 0; d < depth; d++, to += step, from += stride) {
    for (let lane: i32 = 0; lane < 4; lane++) {
      const value: f32 = lane < count ? load<f32>(from + (<usize> lane << 2)) : 0;
      store<f32>(to + (<usize> lane << 2), value);
    }
  }
}

/** A panel `[depth][8]` of the columns of a right operand; `contiguousDepth` tells which way the matrix is stored. */
export function packPanel(
  to: usize,
  from: usize,
  stride: usize,
  count: i32,
  depth: usize,
  contiguousDepth: bool,
): void {
  if (contiguousDepth) {
    packLanes(to, 32, from, stride, count, depth);
    packLanes(to + 16, 32, from + 4 * stride, stride, count - 4, depth);
  } else {
    copyLanes(to, 32, from, stride, count, depth);
    copyLanes(to + 16, 32, from + 16, stride, count - 4, depth);
  }
}

/** Panels `[depth][4]` of `rows` rows of a left operand, one after another. */
export function packRows(
  to: usize,
  from: usize,
  stride: usize,
  rows: usize,
  depth: usize,
  contiguousDepth: bool,
): void {
  for (let row: usize = 0; row < rows; row += 4, to += depth << 4) {
    if (contiguousDepth) packLanes(to, 16, from + row * stride, stride, <i32> (rows - row), depth);
    else copyLanes(to, 16, from + (row << 2), stride, <i32> (rows - row), depth);
  }
}

/**
 * Kernel: panels `[begin, end)` of a right operand `[depth, columns]`. `stride` (bytes) is between depths, or between
 * columns when each column is contiguous.
 */
export function packPanels(
  begin: usize,
  end: usize,
  _scratch: usize,
  to: usize,
  from: usize,
  stride: usize,
  columns: usize,
  depth: usize,
  contiguousDepth: bool,
): void {
  for (let panel = begin; panel < end; panel++) {
    const column = panel << 3;
    const source = contiguousDepth ? from + column * stride : from + (column << 2);
    const target = to + column * depth * 4;
    packPanel(target, source, stride, <i32> min<usize>(columns - column, 8), depth, contiguousDepth);
  }
}
