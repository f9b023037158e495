/**
 * How the CPU device lays codes into a table out: codes as those of packed integers (`packed.ts`), then for each panel of eight output features
 * and each block of columns eight scales, then the tables. It adds no bits, but for columns up to a multiple of 16 and output features up to a
 * multiple of 8, and scales that several rows share are repeated.
 */

import type { TableCodes } from "../codes.ts";
import { codeAt } from "../host/bits.ts";
import { blocksOfRow, tableScale } from "../host/table.ts";
import { layCodes } from "./packed.ts";

/** Where the parts of a weight lie, in bytes from its start. */
export interface TableLayout {
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** Blocks of a row. */
  readonly groups: number;
  /** Columns of a block, a number that no column reaches where a row has one. */
  readonly groupSize: number;
  /** Bytes of the codes of eight output features. */
  readonly panelBytes: number;
  /** Where the scales begin: for each panel and block eight bytes, or eight floats. */
  readonly ranges: number;
  /** Where what codes stand for begins. Up to 4 bits: byte 0 of 16 float32 values, then their bytes 1, 2 and 3. */
  readonly table: number;
  /** Where what the bytes of scales stand for begins; 0 where scales are floats. */
  readonly scaleTable: number;
  readonly bytes: number;
}

const headerBytes = 64;

/** Whether blocks are runs of whole quads of columns, as the layout needs. */
export function canLayTable(codes: TableCodes): boolean {
  return blocksOfRow(codes) === 1 || codes.block[1] % 4 === 0;
}

/** The layout of a weight. */
export function tableLayout(codes: TableCodes): TableLayout {
  const { outFeatures, inFeatures, bits, block, scaleValues } = codes;
  const panels = Math.ceil(outFeatures / 8), groups = blocksOfRow(codes);
  const panelBytes = Math.ceil(inFeatures / 16) * 16 * bits, ranges = headerBytes + panels * panelBytes;
  const table = ranges + panels * groups * (scaleValues ? 8 : 32), end = table + 4 * Math.max(16, 2 ** bits);
  return {
    outFeatures,
    inFeatures,
    groups,
    groupSize: groups === 1 ? 2 ** 31 : block[1],
    panelBytes,
    ranges,
    table,
    scaleTable: scaleValues ? end : 0,
    bytes: end + (scaleValues ? 1024 : 0),
  };
}

/** Writes a weight to `target`, `layout.bytes` long and aligned to 4 bytes. */
export function layTable(codes: TableCodes, layout: TableLayout, target: Uint8Array): void {
  const { outFeatures, bits, values, block, scales, scaleValues } = codes;
  const { groups, groupSize, panelBytes, ranges, table, scaleTable } = layout;
  target.fill(0);
  const header = new Uint32Array(target.buffer, target.byteOffset, 10);
  header.set([bits, groupSize, groups, panelBytes, 0, ranges, 0, table, scaleTable]);
  const float = bits > 4 ? floatShape(codes) : null;
  if (float !== null) {
    header[9] = float.shift;
    new Float32Array(target.buffer, target.byteOffset + 40, 1)[0] = float.factor;
  }
  layCodes(codes, target.subarray(headerBytes, ranges), panelBytes);
  const view = new DataView(target.buffer, target.byteOffset);
  for (let row = 0; row < outFeatures; row++) {
    for (let group = 0; group < groups; group++) {
      const at = ((row >> 3) * groups + group) * 8 + (row & 7);
      if (scaleValues) view.setUint8(ranges + at, scales[Math.floor(row / block[0]) * groups + group]);
      else view.setFloat32(ranges + 4 * at, tableScale(codes, row, group), true);
    }
  }
  if (bits > 4) new Float32Array(target.buffer, target.byteOffset + table, values.length).set(values);
  else {
    const bytes = new Uint8Array(values.slice().buffer);
    for (const [i, byte] of bytes.entries()) target[table + 16 * (i & 3) + (i >> 2)] = byte;
  }
  if (scaleValues) new Float32Array(target.buffer, target.byteOffset + scaleTable, 256).set(scaleValues);
}

/**
 * How the codes that occur are floats: their bits but the sign, moved up by `shift`, are those of a float32 that is the value but for a power of
 * two, `factor`. Null where the table is another one.
 */
function floatShape({ bits, values, codes, outFeatures, inFeatures }: TableCodes) {
  const half = 2 ** (bits - 1), occurs = new Uint8Array(2 * half), word = new Float32Array(1);
  for (let i = 0; i < outFeatures * inFeatures; i++) occurs[codeAt(codes, bits, i)] = 1;
  for (let mantissaBits = 1; mantissaBits < bits - 1; mantissaBits++) {
    const shift = 23 - mantissaBits, factor = values[2 ** mantissaBits] * 2 ** 126;
    const holds = occurs.every((any, code) => {
      new Uint32Array(word.buffer)[0] = (code & (half - 1)) << shift;
      return !any || Object.is(values[code], word[0] * factor * (code < half ? 1 : -1));
    });
    if (holds && factor === Math.fround(factor)) return { shift, factor };
  }
  return null;
}
