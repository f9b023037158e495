/** Matrix products over packed panels. Work is divided over blocks of outputs only, never over a sum. */

import { binaryPanel } from "./binary";
import { packPanel, packRows } from "./pack";
import { canStrip, fixedBlock, fixedPoint, stripPacked } from "./packed_row";
import { packedPanel } from "./table";
import { depthBlock, strip, strip4, tile } from "./tile";

/** Copies (or adds) `rows x columns` of a 4 x 8 tile in `from` to `c`. */
export function copyTile(
  from: usize,
  c: usize,
  cStride: usize,
  rows: usize,
  columns: usize,
  accumulate: bool,
): void {
  for (let row: usize = 0; row < rows; row++) {
    for (let column: usize = 0; column < columns; column++) {
      const at = c + row * cStride + (column << 2);
      const value = load<f32>(from + (row << 5) + (column << 2));
      store<f32>(at, accumulate ? load<f32>(at) + value : value);
    }
  }
}

/** `c[row][j] += bias[j]` for columns `[first, last)` of one row. */
export function addBias(row: usize, bias: usize, first: usize, last: usize): void {
  let j = first;
  for (; j + 4 <= last; j += 4) {
    const at = row + (j << 2);
    v128.store(at, f32x4.add(v128.load(at), v128.load(bias + (j << 2))));
  }
  for (; j < last; j++) {
    const at = row + (j << 2);
    store<f32>(at, load<f32>(at) + load<f32>(bias + (j << 2)));
  }
}

/** `c (+)= a b` for `count` packed rows and one panel, of which `columns` columns exist. `edge`: room for a tile. */
function multiplyRows(
  rows: usize,
  count: usize,
  weights: usize,
  depth: usize,
  c: usize,
  cStride: usize,
  columns: usize,
  edge: usize,
  accumulate: bool,
): void {
  for (let row: usize = 0; row < count; row += 4) {
    const four = rows + (row * depth << 2), at = c + row * cStride;
    if (columns == 8 && row + 4 <= count) {
      tile(four, weights, depth, at, cStride, accumulate);
    } else {
      tile(four, weights, depth, edge, 32, false);
      copyTile(edge, at, cStride, min<usize>(4, count - row), columns, accumulate);
    }
  }
}

/**
 * Kernel: `c[m][n] = a b + bias` with `b` in panels `[k][8]` (form 0), or packed integers (1, see `packed.ts`) or binary
 * codes (2, see `binary.ts`): then panels are made in scratch as they are needed. Unit `u` is the block of `rowBlock` rows and `panelBlock` panels number `u`, panels
 * fastest. Scratch: `rowBlock * 256 + 32` floats (`rowBlock` a multiple of 4), and 2048 more for a packed `b`.
 */
export function product(
  begin: usize,
  end: usize,
  scratch: usize,
  a: usize,
  aStride: usize,
  aContiguous: bool,
  b: usize,
  form: usize,
  bias: usize,
  c: usize,
  m: usize,
  n: usize,
  k: usize,
  rowBlock: usize,
  panelBlock: usize,
): void {
  const panels = (n + 7) >> 3;
  const blocks = (panels + panelBlock - 1) / panelBlock;
  const edge = scratch;
  const rows = scratch + 128;
  const room = rows + (rowBlock * depthBlock << 2);
  const cStride = n << 2;
  for (let unit = begin; unit < end; unit++) {
    const row0 = unit / blocks * rowBlock, row1 = min(m, row0 + rowBlock);
    const panel0 = unit % blocks * panelBlock, panel1 = min(panels, panel0 + panelBlock);
    for (let k0: usize = 0; k0 < k; k0 += depthBlock) {
      const depth = min(depthBlock, k - k0);
      const corner = aContiguous ? a + row0 * aStride + (k0 << 2) : a + (row0 << 2) + k0 * aStride;
      packRows(rows, corner, aStride, row1 - row0, depth, aContiguous);
      for (let panel = panel0; panel < panel1; panel++) {
        let weights = room;
        if (form == 1) packedPanel(room, b, panel, k0, depth);
        else if (form == 2) binaryPanel(room, b, panel, k0, depth);
        else weights = b + ((panel * k + k0) << 5);
        const at = c + row0 * cStride + (panel << 5);
        const columns = min<usize>(8, n - (panel << 3));
        multiplyRows(rows, row1 - row0, weights, depth, at, cStride, columns, edge, k0 > 0);
      }
    }
    if (bias) {
      for (let row = row0; row < row1; row++) {
        addBias(c + row * cStride, bias, panel0 << 3, min(n, panel1 << 3));
      }
    }
  }
}

/** Copies (or adds) `count` values. */
export function addTo(from: usize, c: usize, count: usize, accumulate: bool): void {
  for (let i: usize = 0; i < count << 2; i += 4) {
    store<f32>(c + i, accumulate ? load<f32>(c + i) + load<f32>(from + i) : load<f32>(from + i));
  }
}

/**
 * {@linkcode vectorProduct} of one row and the packed integers that {@linkcode canStrip} looked at last, in integer
 * arithmetic; false where the row is not fit for it.
 */
function integerProduct(
  begin: usize,
  end: usize,
  scratch: usize,
  a: usize,
  c: usize,
  n: usize,
  k: usize,
): bool {
  const room = scratch + 128;
  for (let k0: usize = 0; k0 < k; k0 += fixedBlock) {
    const depth = min(fixedBlock, k - k0);
    if (!fixedPoint(a + (k0 << 2), depth, room)) return false;
    for (let panel = begin; panel < end; panel++) {
      memory.fill(scratch, 0, 32);
      stripPacked(room, panel, k0, k0 + depth, scratch);
      addTo(scratch, c + (panel << 5), min<usize>(8, n - (panel << 3)), k0 > 0);
    }
  }
  return true;
}

/**
 * Kernel: the same product for a few rows (decoding): panels `[begin, end)` are read once, straight from memory, for
 * all rows. Scratch: 32 floats, and 4 * 2048 more for a packed `b`.
 */
export function vectorProduct(
  begin: usize,
  end: usize,
  scratch: usize,
  a: usize,
  b: usize,
  packed: bool,
  bias: usize,
  c: usize,
  m: usize,
  n: usize,
  k: usize,
): void {
  const room = scratch + 128;
  const panelStride = packed ? depthBlock << 5 : k << 5;
  const whole = n >> 3;
  const done = packed && m == 1 && canStrip(b) && integerProduct(begin, end, scratch, a, c, n, k);
  let panel = begin;
  while (panel < end) {
    const count: usize = panel + 4 <= min(end, whole) ? 4 : 1;
    for (let k0: usize = 0; k0 < k && !done; k0 += depthBlock) {
      const depth = min(depthBlock, k - k0);
      let weights = room;
      if (packed) {
        for (let i: usize = 0; i < count; i++) {
          packedPanel(room + i * panelStride, b, panel + i, k0, depth);
        }
      } else {
        weights = b + panel * panelStride + (k0 << 5);
      }
      for (let row: usize = 0; row < m; row++) {
        const x = a + ((row * k + k0) << 2);
        const at = c + ((row * n + (panel << 3)) << 2);
        if (count == 4) {
          strip4(x, weights, panelStride, depth, at, k0 > 0);
        } else if (panel < whole) {
          strip(x, weights, depth, at, k0 > 0);
        } else {
          strip(x, weights, depth, scratch, false);
          copyTile(scratch, at, 0, 1, n - (panel << 3), k0 > 0);
        }
      }
    }
    if (bias) {
      const last = min(n, (panel + count) << 3);
      for (let row: usize = 0; row < m; row++) addBias(c + (row * n << 2), bias, panel << 3, last);
    }
    panel += count;
  }
}

/** Kernel: `c = alpha * x + beta * c` for elements `[begin, end)`; with `beta` 0 `c` is not read. */
export function combine(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  c: usize,
  alpha: f32,
  beta: f32,
): void {
  for (let i = begin; i < end; i++) {
    const at = c + (i << 2);
    const value = alpha * load<f32>(x + (i << 2));
    store<f32>(at, beta == 0 ? value : value + beta * load<f32>(at));
  }
}

/**
 * Kernel: the panels of `x^T x` for one block of `rows` rows: for eight columns once `[rows][8]` (right operand, in
 * `right`) and twice `[rows][4]` (left operand, in `left`).
 */
export function packGram(
  begin: usize,
  end: usize,
  _scratch: usize,
  x: usize,
  rows: usize,
  columns: usize,
  left: usize,
  right: usize,
): void {
  for (let panel = begin; panel < end; panel++) {
    const from = x + (panel << 5), at = panel * rows << 5;
    const count = min<usize>(8, columns - (panel << 3));
    packPanel(right + at, from, columns << 2, <i32> count, rows, false);
    packRows(left + at, from, columns << 2, count, rows, false);
  }
}

/** Adds `count` (at most 8) float32 sums to as many float64 ones. */
function addSums(to: usize, from: usize, count: usize): void {
  let i: usize = 0;
  for (; i + 2 <= count; i += 2) {
    const sums = f64x2.promote_low_f32x4(v128.load64_zero(from + (i << 2)));
    v128.store(to + (i << 3), f64x2.add(v128.load(to + (i << 3)), sums));
  }
  if (i < count) store<f64>(to + (i << 3), load<f64>(to + (i << 3)) + <f64> load<f32>(from + (i << 2)));
}

/**
 * Kernel: adds `x^T x` of one packed block to the lower triangle of the float64 matrix `acc` `[columns][columns]`;
 * unit `u` is rows `8u..8u+7`. Scratch: 32 floats.
 */
export function addGram(
  begin: usize,
  end: usize,
  scratch: usize,
  left: usize,
  right: usize,
  rows: usize,
  columns: usize,
  acc: usize,
): void {
  for (let unit = begin; unit < end; unit++) {
    for (let panel: usize = 0; panel <= unit; panel++) {
      for (let half: usize = 0; half < 2; half++) {
        const row0 = (unit << 3) + (half << 2);
        if (row0 >= columns) break;
        tile(
          left + (unit * rows << 5) + half * (rows << 4),
          right + (panel * rows << 5),
          rows,
          scratch,
          32,
          false,
        );
        for (let row = row0; row < min(columns, row0 + 4); row++) {
          const at = acc + ((row * columns + (panel << 3)) << 3);
          addSums(at, scratch + ((row - row0) << 5), min<usize>(8, columns - (panel << 3)));
        }
      }
    }
  }
}
