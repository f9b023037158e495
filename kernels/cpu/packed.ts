/**
 * How the CPU device lays packed integers out: the codes of eight output features side by side, so that kernels make
 * panels of them with shifts and masks (`assembly/packed.ts`). It rearranges bits and adds none, but for columns up
 * to a multiple of 16 and output features up to a multiple of 8.
 */

import type { PackedIntegers } from "../codes.ts";
import { codeAt } from "../host/bits.ts";
import { groupsOfRow, rangeIndex } from "../host/packed.ts";

/** Where the parts of a packed weight lie, in bytes from its start. */
export interface PackedLayout {
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** Groups of a row. */
  readonly groups: number;
  /** Columns of a group, a number that no column reaches where a row has one group. */
  readonly groupSize: number;
  /** Bytes of the codes of eight output features. */
  readonly panelBytes: number;
  /** Zero points are bytes rather than float32. */
  readonly zeroBytes: boolean;
  /** Where the ranges begin: for each panel and group 8 scales, then 8 zero points. */
  readonly ranges: number;
  /** Where the group numbers of the columns begin (uint32), 0 where groups are runs of whole quads of columns. */
  readonly columnGroups: number;
  readonly bytes: number;
}

const headerBytes = 64;

/** The layout of a weight. */
export function packedLayout(packed: PackedIntegers): PackedLayout {
  const { outFeatures, inFeatures, bits, zeros, permutation } = packed;
  const panels = Math.ceil(outFeatures / 8), groups = groupsOfRow(packed);
  const groupSize = groups === 1 ? 2 ** 31 : packed.groupSize;
  const zeroBytes = zeros instanceof Uint8Array;
  const panelBytes = Math.ceil(inFeatures / 16) * 16 * bits;
  const ranges = headerBytes + panels * panelBytes;
  const end = ranges + panels * groups * (zeroBytes ? 40 : 64);
  const runs = groups === 1 || (permutation === undefined && groupSize % 4 === 0);
  const columnGroups = runs ? 0 : end, bytes = runs ? end : end + 4 * inFeatures;
  return {
    outFeatures,
    inFeatures,
    groups,
    groupSize,
    panelBytes,
    zeroBytes,
    ranges,
    columnGroups,
    bytes,
  };
}

/** Writes a weight to `target`, `layout.bytes` long and aligned to 4 bytes. */
export function layPacked(packed: PackedIntegers, layout: PackedLayout, target: Uint8Array): void {
  const { bits, inFeatures, permutation } = packed;
  const { groups, groupSize, panelBytes, zeroBytes, ranges, columnGroups } = layout;
  target.fill(0);
  const header = new Uint32Array(target.buffer, target.byteOffset, 7);
  header.set([bits, groupSize, groups, panelBytes, Number(zeroBytes), ranges, columnGroups]);
  layCodes(packed, target.subarray(headerBytes, ranges), panelBytes);
  layRanges(packed, layout, target);
  if (columnGroups === 0) return;
  const numbers = new Uint32Array(target.buffer, target.byteOffset + columnGroups, inFeatures);
  for (let j = 0; j < inFeatures; j++) numbers[permutation?.[j] ?? j] = Math.floor(j / groupSize);
}

/**
 * Codes in blocks of 16 columns and 8 rows, `bits` vectors of 16 bytes each: the four vectors of the low 4 bits (when
 * a code has as many), two of the next 2 bits, one of the last bit; eight of whole bytes at 8 bits.
 */
export function layCodes(
  packed: Pick<PackedIntegers, "outFeatures" | "inFeatures" | "bits" | "codes" | "permutation">,
  target: Uint8Array,
  panelBytes: number,
): void {
  const { outFeatures, inFeatures, bits, codes, permutation } = packed;
  const nibbles = bits < 8 && (bits & 4) > 0, pairs = bits < 8 && (bits & 2) > 0;
  const pairsAt = nibbles ? 64 : 0, onesAt = (bits - 1) * 16, pairShift = nibbles ? 4 : 0;
  for (let row = 0; row < outFeatures; row++) {
    const lane = row & 7, half = lane >> 2;
    const panel = (row >> 3) * panelBytes + 4 * (lane & 3);
    for (let j = 0; j < inFeatures; j++) {
      const code = codeAt(codes, bits, row * inFeatures + j);
      const column = permutation === undefined ? j : permutation[j];
      const quad = (column >> 2) & 3, at = panel + (column >> 4) * 16 * bits + (column & 3);
      if (bits === 8) target[at + quad * 32 + half * 16] = code;
      if (nibbles) target[at + quad * 16] |= (code & 15) << (4 * half);
      if (pairs) {
        target[at + pairsAt + (quad >> 1) * 16] |= ((code >> pairShift) & 3) << (4 * (quad & 1) + 2 * half);
      }
      if (bits & 1) target[at + onesAt] |= (code >> (bits - 1)) << (2 * quad + half);
    }
  }
}

function layRanges(packed: PackedIntegers, { groups, zeroBytes, ranges }: PackedLayout, target: Uint8Array) {
  const view = new DataView(target.buffer, target.byteOffset);
  const size = zeroBytes ? 40 : 64;
  for (let row = 0; row < packed.outFeatures; row++) {
    for (let group = 0; group < groups; group++) {
      const at = ranges + ((row >> 3) * groups + group) * size, lane = row & 7;
      const from = rangeIndex(packed, row, group);
      view.setFloat32(at + 4 * lane, packed.scales[from], true);
      if (zeroBytes) view.setUint8(at + 32 + lane, packed.zeros[from]);
      else view.setFloat32(at + 32 + 4 * lane, packed.zeros[from], true);
    }
  }
}
