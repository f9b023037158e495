/** Weights of codes into a table: what is a valid one, its scales, and the float32 values that it stands for. */

import { checkExactly, checkInteger } from "../check.ts";
import type { PackedCodes, TableCodes } from "../codes.ts";
import { DeviceError } from "../error.ts";
import { codeAt } from "./bits.ts";

/** Whether codes point into a table. */
export function isTable(packed: PackedCodes): packed is TableCodes {
  return "block" in packed;
}

/** Throws unless sizes agree with each other, and bytes of scales come with what they stand for. */
export function checkTable(
  { outFeatures, inFeatures, bits, codes, values, block, scales, scaleValues }: TableCodes,
) {
  const op = "packedWeight", [rows, columns] = block;
  checkInteger(op, "block[0]", rows, 1);
  checkInteger(op, "block[1]", columns, 1);
  checkExactly(op, "codes", codes, Math.ceil(outFeatures * inFeatures * bits / 8));
  checkExactly(op, "values", values, 2 ** bits);
  checkExactly(op, "scales", scales, Math.ceil(outFeatures / rows) * Math.ceil(inFeatures / columns));
  if (scaleValues) checkExactly(op, "scaleValues", scaleValues, 256);
  if (scales instanceof Uint8Array === (scaleValues !== undefined)) return;
  const expected = scaleValues ? "bytes beside scaleValues" : "float32 without scaleValues";
  throw new DeviceError("shape", `${op}: scales is a ${scales.constructor.name}: expected ${expected}`);
}

/** Blocks of a row. */
export function blocksOfRow({ inFeatures, block }: TableCodes): number {
  return Math.ceil(inFeatures / block[1]);
}

/** The scale of block `block` of a row. */
export function tableScale(codes: TableCodes, row: number, block: number): number {
  const { scales, scaleValues } = codes;
  const scale = scales[Math.floor(row / codes.block[0]) * blocksOfRow(codes) + block];
  return scaleValues ? scaleValues[scale] : scale;
}

/** The weight `[outFeatures, inFeatures]`, row-major. */
export function tableValues(table: TableCodes): Float32Array {
  const { outFeatures, inFeatures, bits, codes, values, block } = table;
  const result = new Float32Array(outFeatures * inFeatures);
  for (let row = 0, i = 0; row < outFeatures; row++) {
    for (let first = 0; first < inFeatures; first += block[1]) {
      const scale = tableScale(table, row, first / block[1]), last = Math.min(first + block[1], inFeatures);
      for (let j = first; j < last; j++, i++) result[i] = values[codeAt(codes, bits, i)] * scale;
    }
  }
  return result;
}
