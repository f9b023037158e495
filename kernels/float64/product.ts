/**
 * Matrix products in float64 for factorisations and error compensation, which subtract products from a matrix and
 * nothing else: `C -= A B`. Operands are packed into the small memory of a SIMD kernel (`assembly.ts`), a block at a
 * time. The order of all sums depends on the shapes alone.
 */
import { memory, subtractPanels } from "./float64.wasm";

/** A part of a row-major matrix: element `(i, j)` is `data[start + i * stride + j]`, or of its transpose. */
export interface Block {
  readonly data: Float64Array;
  readonly start: number;
  readonly stride: number;
  /** Whether element `(i, j)` is `data[start + j * stride + i]` instead. */
  readonly transposed?: boolean;
}

/** Rows, columns and depth of what is packed at once: 64, 256 and 128 KiB. */
const most = { rows: 64, columns: 256, depth: 128 };
/** Elements; the first page stays free for the module's own data. */
const base = 8192;
const aStart = base, bStart = aStart + most.rows * most.depth, cStart = bStart + most.columns * most.depth;
const floats = new Float64Array(memory.buffer);

/** `C[m, n] -= A[m, k] B[k, n]`. `C` must share no elements with `A` and `B`, and is not transposed. */
export function subtractProduct(c: Block, a: Block, b: Block, m: number, n: number, k: number): void {
  const rowsOfB = { ...b, transposed: !b.transposed };
  for (let k0 = 0; k0 < k; k0 += most.depth) {
    const depth = Math.min(most.depth, k - k0);
    for (let j0 = 0; j0 < n; j0 += most.columns) {
      const columns = Math.min(most.columns, n - j0);
      pack(bStart, rowsOfB, j0, columns, k0, depth);
      for (let i0 = 0; i0 < m; i0 += most.rows) {
        const rows = Math.min(most.rows, m - i0);
        pack(aStart, a, i0, rows, k0, depth);
        const wide = upToFour(columns);
        for (let i = 0; i < rows; i++) {
          const from = c.start + (i0 + i) * c.stride + j0;
          floats.set(c.data.subarray(from, from + columns), cStart + i * wide);
        }
        subtractPanels(aStart * 8, bStart * 8, cStart * 8, upToFour(rows), wide, depth);
        for (let i = 0; i < rows; i++) {
          const from = cStart + i * wide;
          c.data.set(floats.subarray(from, from + columns), c.start + (i0 + i) * c.stride + j0);
        }
      }
    }
  }
}

function upToFour(count: number): number {
  return (count + 3) & ~3;
}

/** Rows `[i0, i0 + rows)` and columns `[k0, k0 + depth)` as panels `[depth][4]` of four rows; missing rows are 0. */
function pack(to: number, block: Block, i0: number, rows: number, k0: number, depth: number): void {
  const { data, start, stride, transposed = false } = block;
  const rowStep = transposed ? 1 : stride, depthStep = transposed ? stride : 1;
  for (let i = 0; i < rows; i += 4, to += 4 * depth) {
    const count = Math.min(4, rows - i);
    if (count < 4) floats.fill(0, to, to + 4 * depth);
    for (let lane = 0; lane < count; lane++) {
      let from = start + (i0 + i + lane) * rowStep + k0 * depthStep;
      for (let d = 0; d < depth; d++, from += depthStep) floats[to + 4 * d + lane] = data[from];
    }
  }
}
