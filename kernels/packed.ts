/** Packed integer weights on every device: what is a valid one, and the float32 values that it stands for. */

import { checkExactly, checkInteger } from "./check.ts";
import type { PackedIntegers } from "./device.ts";
import { DeviceError } from "./error.ts";

/** Groups of a row: one where a single range covers all weights. */
export function groupsOfRow({ outFeatures, inFeatures, groupSize }: PackedIntegers): number {
  return groupSize === outFeatures * inFeatures ? 1 : inFeatures / groupSize;
}

/** Index of the range of group `group` of row `row`. */
export function rangeIndex(packed: PackedIntegers, row: number, group: number): number {
  return packed.scales.length === 1 ? 0 : row * groupsOfRow(packed) + group;
}

/** Code `i` of a bit stream. */
export function codeAt(codes: Uint8Array, bits: number, i: number): number {
  const bit = i * bits, byte = Math.floor(bit / 8);
  return ((codes[byte] | (codes[byte + 1] ?? 0) << 8) >> (bit % 8)) & ((1 << bits) - 1);
}

/** Throws unless sizes agree with each other and the permutation is one. */
export function checkPacked(packed: PackedIntegers): void {
  const { outFeatures, inFeatures, bits, groupSize, codes, scales, zeros, permutation } = packed;
  const op = "packedWeight";
  checkInteger(op, "outFeatures", outFeatures, 1);
  checkInteger(op, "inFeatures", inFeatures, 1);
  checkInteger(op, "bits", bits, 1, 8);
  checkInteger(op, "groupSize", groupSize, 1);
  const weights = outFeatures * inFeatures;
  if (inFeatures % groupSize !== 0 && groupSize !== weights) {
    const expected = `a divisor of ${inFeatures} input features, or all ${weights} weights`;
    throw new DeviceError("shape", `${op}: groupSize is ${groupSize}: expected ${expected}`);
  }
  checkExactly(op, "codes", codes, Math.ceil(weights * bits / 8));
  checkExactly(op, "scales", scales, weights / groupSize);
  checkExactly(op, "zeros", zeros, scales.length);
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
export function packedValues(packed: PackedIntegers): Float32Array {
  const { outFeatures, inFeatures, bits, groupSize, codes, scales, zeros, permutation } = packed;
  const values = new Float32Array(outFeatures * inFeatures);
  for (let row = 0; row < outFeatures; row++) {
    for (let j = 0; j < inFeatures; j++) {
      const range = rangeIndex(packed, row, groupsOfRow(packed) === 1 ? 0 : Math.floor(j / groupSize));
      const step = Math.fround(codeAt(codes, bits, row * inFeatures + j) - zeros[range]);
      values[row * inFeatures + (permutation?.[j] ?? j)] = scales[range] * step;
    }
  }
  return values;
}
