/** Packed weights on every device: what is a valid one, and the float32 values that it stands for. */

import { checkExactly, checkInteger } from "../check.ts";
import type { BinaryCodes, PackedCodes, PackedIntegers, SparseValues } from "../codes.ts";
import { DeviceError } from "../error.ts";
import { codeAt } from "./bits.ts";
import { checkTable, isTable, tableValues } from "./table.ts";

/** Groups of a row: one where a single range covers all weights. */
export function groupsOfRow({ outFeatures, inFeatures, groupSize }: PackedIntegers): number {
  return groupSize === outFeatures * inFeatures ? 1 : inFeatures / groupSize;
}

/** Index of the range of group `group` of row `row`. */
export function rangeIndex(packed: PackedIntegers, row: number, group: number): number {
  return packed.scales.length === 1 ? 0 : row * groupsOfRow(packed) + group;
}

const op = "packedWeight";

/** Whether codes are binary ones. */
export function isBinary(packed: PackedCodes): packed is BinaryCodes {
  return "alphas" in packed;
}

/** Throws unless sizes agree with each other, the permutation is one, and outliers lie in the weight. */
export function checkPacked(packed: PackedCodes): void {
  checkInteger(op, "outFeatures", packed.outFeatures, 1);
  checkInteger(op, "inFeatures", packed.inFeatures, 1);
  checkInteger(op, "bits", packed.bits, 1, 8);
  if (isTable(packed)) return checkTable(packed);
  checkInteger(op, "groupSize", packed.groupSize, 1);
  if (isBinary(packed)) checkBinary(packed);
  else checkIntegers(packed);
}

function checkBinary(
  { outFeatures, inFeatures, bits, groupSize, patterns, alphas, offsets }: BinaryCodes,
): void {
  if (inFeatures % groupSize !== 0) {
    const expected = `a divisor of ${inFeatures} input features`;
    throw new DeviceError("shape", `${op}: groupSize is ${groupSize}: expected ${expected}`);
  }
  const groups = outFeatures * inFeatures / groupSize;
  checkExactly(op, "patterns", patterns, outFeatures * inFeatures);
  checkExactly(op, "alphas", alphas, groups * bits);
  if (offsets) checkExactly(op, "offsets", offsets, groups);
}

function checkSparse({ start, column, value }: SparseValues, rows: number, columns: number): void {
  checkExactly(op, "outliers.start", start, rows + 1);
  checkExactly(op, "outliers.value", value, column.length);
  const wrong = start.findIndex((at, i) => at < (start[i - 1] ?? 0) || at > column.length);
  if (wrong >= 0 || start[0] !== 0 || start[rows] !== column.length) {
    const expected = `numbers from 0 to ${column.length} that never fall`;
    throw new DeviceError(
      "shape",
      `${op}: outliers.start has ${start[Math.max(0, wrong)]}: expected ${expected}`,
    );
  }
  for (const j of column) checkInteger(op, "outliers.column", j, 0, columns - 1);
}

function checkIntegers(packed: PackedIntegers): void {
  const { outFeatures, inFeatures, bits, groupSize, codes, scales, zeros, permutation, outliers } = packed;
  const weights = outFeatures * inFeatures;
  if (inFeatures % groupSize !== 0 && groupSize !== weights) {
    const expected = `a divisor of ${inFeatures} input features, or all ${weights} weights`;
    throw new DeviceError("shape", `${op}: groupSize is ${groupSize}: expected ${expected}`);
  }
  checkExactly(op, "codes", codes, Math.ceil(weights * bits / 8));
  checkExactly(op, "scales", scales, weights / groupSize);
  checkExactly(op, "zeros", zeros, scales.length);
  if (outliers) checkSparse(outliers, outFeatures, inFeatures);
  if (permutation === undefined) return;
  checkExactly(op, "permutation", permutation, inFeatures);
  const seen = new Uint8Array(inFeatures);
  for (const column of permutation) {
    if (!(column >= 0 && column < inFeatures) || seen[column]++ > 0) {
      throw new DeviceError("shape", `${op}: permutation has ${column}: expected each column once`);
    }
  }
}

/** The weight `[outFeatures, inFeatures]`, row-major. */
export function packedValues(packed: PackedCodes): Float32Array {
  if (isTable(packed)) return tableValues(packed);
  return isBinary(packed) ? binaryValues(packed) : integerValues(packed);
}

function binaryValues({ outFeatures, inFeatures, bits, groupSize, patterns, alphas, offsets }: BinaryCodes) {
  const values = new Float32Array(outFeatures * inFeatures);
  for (let i = 0; i < values.length; i++) {
    const group = Math.floor(i / groupSize);
    for (let plane = 0; plane < bits; plane++) {
      const alpha = alphas[group * bits + plane];
      values[i] += (patterns[i] >> plane) & 1 ? alpha : -alpha;
    }
    if (offsets) values[i] += offsets[group];
  }
  return values;
}

/** `scale * (code - zero)` of code `j` of a row. */
export function codeValue(packed: PackedIntegers, row: number, j: number): number {
  const { inFeatures, bits, groupSize, codes, scales, zeros } = packed;
  const range = rangeIndex(packed, row, groupsOfRow(packed) === 1 ? 0 : Math.floor(j / groupSize));
  const step = Math.fround(codeAt(codes, bits, row * inFeatures + j) - zeros[range]);
  return Math.fround(scales[range] * step);
}

function integerValues(packed: PackedIntegers): Float32Array {
  const { outFeatures, inFeatures, permutation, outliers } = packed;
  const values = new Float32Array(outFeatures * inFeatures);
  for (let row = 0; row < outFeatures; row++) {
    for (let j = 0; j < inFeatures; j++) {
      values[row * inFeatures + (permutation?.[j] ?? j)] = codeValue(packed, row, j);
    }
    if (!outliers) continue;
    for (let k = outliers.start[row]; k < outliers.start[row + 1]; k++) {
      const j = outliers.column[k];
      values[row * inFeatures + (permutation?.[j] ?? j)] = outliers.value[k];
    }
  }
  return values;
}
