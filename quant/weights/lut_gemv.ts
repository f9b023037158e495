/**
 * Matrix times vector by table look-up, on the packed planes (LUT-GEMM, Park et al., ICLR 2024, section 3.2).
 *
 * Eight signs are one byte, so eight inputs have only 256 possible signed sums. They are tabulated once and serve every
 * output row and every plane: a multiplication and addition per weight becomes one look-up per eight weights and plane.
 */
import { type BcqWeight, tileBytes } from "./binary.ts";
import { SchemeError } from "../error.ts";

/**
 * `table[256 t + p] = sum_j (bit j of p ? +1 : -1) x[8 t + j]`: the first entry by a sum, the others by doubling, as
 * each further bit adds `2 x_j` to all entries before.
 */
export function signedSums(x: Float32Array, first: number, tables: Float32Array): void {
  for (let base = 0; base < tables.length && first + (base >> 5) < x.length; base += 256) {
    const start = first + (base >> 5);
    let least = 0;
    for (let j = 0; j < 8; j++) least -= x[start + j];
    tables[base] = least;
    for (let j = 0; j < 8; j++) {
      const step = 2 * x[start + j], filled = base + (1 << j);
      for (let p = base; p < filled; p++) tables[filled - base + p] = tables[p] + step;
    }
  }
}

/**
 * `y = W x` without dequantizing: `x` `[in]`, `y` `[out]`. Groups must be whole bytes of signs.
 *
 * @throws {SchemeError} code `shape` when `x` or the groups do not fit.
 *
 * @example
 * ```ts
 * import { bcq } from "quantbook";
 * import { binaryCode, lutGemv } from "quantbook/quant";
 * import { assertEquals } from "@std/assert";
 *
 * const data = Float32Array.of(1, 1, -1, -1, 1, 1, -1, -1);
 * const weight = binaryCode({ rows: 1, columns: 8, data }, bcq({ bits: 1 }));
 * assertEquals(lutGemv(weight, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)), Float32Array.of(-8));
 * ```
 */
export function lutGemv(weight: BcqWeight, x: Float32Array): Float32Array {
  const { shape: [rows, columns], bits, groupSize, alphas, offsets, planes, bytesPerRow } = weight;
  if (x.length !== columns) {
    throw new SchemeError("shape", `x has ${x.length} values: expected ${columns}`);
  }
  if (groupSize % 8 !== 0) {
    throw new SchemeError("shape", `groupSize is ${groupSize}: expected a multiple of 8 for table look-up`);
  }
  const groups = columns / groupSize, bytesPerGroup = groupSize / 8;
  const y = new Float64Array(rows);
  // The tables of one tile, 16 KiB, stay in the first-level cache.
  const tables = new Float32Array(tileBytes * 256);
  for (let tile = 0; tile < bytesPerRow; tile += tileBytes) {
    const width = Math.min(tileBytes, bytesPerRow - tile);
    signedSums(x, 8 * tile, tables);
    let start = tile * rows * bits;
    for (let row = 0; row < rows; row++, start += width * bits) {
      // A tile may hold several groups, or a part of one.
      for (let from = 0; from < width;) {
        const group = Math.floor((tile + from) / bytesPerGroup);
        const to = Math.min(width, (group + 1) * bytesPerGroup - tile);
        const scales = (row * groups + group) * bits;
        for (let plane = 0; plane < bits; plane++) {
          y[row] += alphas[scales + plane] * lookUp(tables, planes, start + plane * width, from, to);
        }
        from = to;
      }
    }
  }
  if (offsets !== null) addOffsets(y, offsets, x, groupSize);
  return Float32Array.from(y);
}

/** Sum of the table entries of bytes `from` to `to`; four sums at once, as one would wait for itself. */
function lookUp(tables: Float32Array, planes: Uint8Array, start: number, from: number, to: number): number {
  let a = 0, b = 0, c = 0, d = 0, byte = from, base = from << 8;
  for (; byte + 4 <= to; byte += 4, base += 1024) {
    const at = start + byte;
    a += tables[base + planes[at]];
    b += tables[base + 256 + planes[at + 1]];
    c += tables[base + 512 + planes[at + 2]];
    d += tables[base + 768 + planes[at + 3]];
  }
  for (; byte < to; byte++, base += 256) a += tables[base + planes[start + byte]];
  return a + b + (c + d);
}

/** Adds each group's offset times the sum of its inputs. */
function addOffsets(y: Float64Array, offsets: Float32Array, x: Float32Array, groupSize: number): void {
  const groups = x.length / groupSize;
  for (let group = 0; group < groups; group++) {
    let sum = 0;
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++) sum += x[i];
    for (let row = 0; row < y.length; row++) y[row] += offsets[row * groups + group] * sum;
  }
}
