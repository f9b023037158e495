/** How matrix products are cut into units for the threads, and where their operands are packed. */

import type { GemmShape } from "../device.ts";
import type { Load, Pool } from "./pool.ts";
import type { Memory } from "./storage.ts";

/** Rows of the left operand that a unit packs: 48 x 256 floats stay in the second-level cache. */
const rowBlock = 48;
/** Up to this many rows the weight is read straight from memory, without packing rows. */
const fewRows = 3;
/** Multiply-adds per nanosecond of one thread, to estimate times; and those of one row with a packed weight. */
const speed = 12, packedSpeed = 4;
/** Bytes of a panel that a thread makes of a packed weight: 256 columns of 8 output features. */
const panelRoom = 256 * 8 * 4;

/** How the kernels know the layout of a weight: dense panels, packed integers or codes into a table (`packed.ts`, `table.ts`), binary codes (`binary.ts`). */
const forms = { dense: 0, integers: 1, binary: 2 };

/** How a weight is laid out. */
export type WeightForm = keyof typeof forms;

/** Bytes for the look-up tables of 1024 inputs, their sums and a block of outputs (`assembly/look_up.ts`). */
const tableRoom = 128 + 1024 * 16 + 1024 + 8 + 32 + 512;

/** Addresses and shape of `c = a b + bias`, with the weight `b`. */
export interface Product {
  /** Address of the left operand and the bytes between its rows (or, `transposed`, between its columns). */
  readonly a: { address: number; stride: number; transposed: boolean };
  readonly weight: number;
  readonly form: WeightForm;
  /** Address, or 0 for none. */
  readonly bias: number;
  readonly c: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Runs a product. */
export function runProduct(pool: Pool, { a, weight, form, bias, c, m, n, k }: Product): void {
  const packed = form !== "dense";
  const nanoseconds = m * n * k / speed + (packed ? n * k / packedSpeed : 0);
  const count = Math.ceil(n / 8);
  if (m === 1 && form === "binary") {
    const load = { units: Math.ceil(n / 32), nanoseconds: n * k / packedSpeed, scratchBytes: tableRoom };
    return pool.run("lookUp", load, [a.address, weight, bias, c, n, k]);
  }
  if (m <= fewRows && !a.transposed && form !== "binary") {
    const load = { units: count, nanoseconds, scratchBytes: 128 + (packed ? 4 * panelRoom : 0) };
    return pool.run("vectorProduct", load, [a.address, weight, Number(packed), bias, c, m, n, k]);
  }
  const rowBlocks = Math.ceil(m / rowBlock);
  // Columns are cut only when rows alone leave threads without work, and never finer than 64 columns.
  const columnBlocks = Math.min(Math.ceil(count / 8), Math.ceil(pool.threads * 4 / rowBlocks));
  const panelBlock = Math.ceil(count / columnBlocks);
  const units = rowBlocks * Math.ceil(count / panelBlock);
  const scratchBytes = 128 + rowBlock * 256 * 4 + (packed ? panelRoom : 0);
  const load: Load = { units, nanoseconds, scratchBytes };
  const left = [a.address, a.stride, Number(!a.transposed)];
  pool.run("product", load, [...left, weight, forms[form], bias, c, m, n, k, rowBlock, panelBlock]);
}

/** Packs a right operand `[k, n]`; `stride` is in bytes between depths, or between columns when `transposed`. */
export function runPack(
  pool: Pool,
  to: number,
  from: { address: number; stride: number; transposed: boolean },
  n: number,
  k: number,
): void {
  const load = { units: Math.ceil(n / 8), nanoseconds: n * k / 2 };
  pool.run("packPanels", load, [to, from.address, from.stride, n, k, Number(from.transposed)]);
}

/** `c = alpha op(a) op(b) + beta c` on addresses. */
export function runGemm(pool: Pool, memory: Memory, a: number, b: number, c: number, shape: GemmShape): void {
  const { m, n, k, transposeA = false, transposeB = false, alpha = 1, beta = 0 } = shape;
  const plain = alpha === 1 && beta === 0;
  const panelBytes = Math.ceil(n / 8) * 32 * k, productBytes = plain ? 0 : m * n * 4;
  const panels = memory.take(panelBytes);
  const target = plain ? c : memory.take(productBytes);
  if (k === 0) memory.heap.floats.fill(0, target / 4, target / 4 + m * n);
  else {
    runPack(pool, panels, { address: b, stride: (transposeB ? k : n) * 4, transposed: transposeB }, n, k);
    const left = { address: a, stride: (transposeA ? m : k) * 4, transposed: transposeA };
    runProduct(pool, { a: left, weight: panels, form: "dense", bias: 0, c: target, m, n, k });
  }
  if (!plain) {
    pool.run("combine", { units: m * n, nanoseconds: m * n }, [target, c, alpha, beta]);
    memory.give(target, productBytes);
  }
  memory.give(panels, panelBytes);
}

/** Rows that are summed in float32 before the sum is added to the float64 accumulator. */
const gramBlock = 256;

/** Adds `x^T x` of `[rows, columns]` to the lower triangle at `acc`. */
export function runGram(
  pool: Pool,
  memory: Memory,
  x: number,
  acc: number,
  rows: number,
  columns: number,
): void {
  const units = Math.ceil(columns / 8);
  const bytes = units * 8 * Math.min(rows, gramBlock) * 4;
  const left = memory.take(bytes), right = memory.take(bytes);
  for (let row = 0; row < rows; row += gramBlock) {
    const count = Math.min(gramBlock, rows - row);
    const from = x + row * columns * 4;
    pool.run("packGram", { units, nanoseconds: count * columns }, [from, count, columns, left, right]);
    const load = { units, nanoseconds: count * columns * columns / 2 / speed, scratchBytes: 128 };
    pool.run("addGram", load, [left, right, count, columns, acc]);
  }
  memory.give(left, bytes);
  memory.give(right, bytes);
}

/** The whole symmetric matrix from its lower triangle. */
export function mirror(lower: Float64Array, columns: number): Float64Array {
  const full = new Float64Array(columns * columns);
  for (let j = 0; j < columns; j++) {
    for (let k = 0; k <= j; k++) full[j * columns + k] = full[k * columns + j] = lower[j * columns + k];
  }
  return full;
}
