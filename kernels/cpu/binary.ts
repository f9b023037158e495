/**
 * How the CPU device lays binary codes out: the signs of 32 output features and 8 columns side by side, so that they are
 * indices of a look-up (`assembly/binary.ts`). Output features up to a multiple of 32 are added.
 */

import type { BinaryCodes } from "../codes.ts";

/** Where the parts of a weight of binary codes lie, in bytes from its start. */
export interface BinaryLayout {
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** Groups of a row. */
  readonly groups: number;
  /** Bytes of the codes of 32 output features. */
  readonly blockBytes: number;
  /** Bytes of the scales and offsets of 32 output features in a group. */
  readonly rangeBytes: number;
  /** Where scales and offsets begin. */
  readonly ranges: number;
  readonly bytes: number;
}

const headerBytes = 64;

/** Whether groups are made of whole eights of columns, as the layout needs. */
export function canLookUp({ groupSize }: BinaryCodes): boolean {
  return groupSize % 8 === 0;
}

/** The layout of a weight. */
export function binaryLayout(codes: BinaryCodes): BinaryLayout {
  const { outFeatures, inFeatures, bits, groupSize, offsets } = codes;
  const blocks = Math.ceil(outFeatures / 32), groups = inFeatures / groupSize;
  const blockBytes = inFeatures * 4 * bits, rangeBytes = (bits + (offsets ? 1 : 0)) * 128;
  const ranges = headerBytes + blocks * blockBytes;
  const bytes = ranges + blocks * groups * rangeBytes;
  return { outFeatures, inFeatures, groups, blockBytes, rangeBytes, ranges, bytes };
}

/** Writes a weight to `target`, `layout.bytes` long and aligned to 4 bytes. */
export function layBinary(codes: BinaryCodes, layout: BinaryLayout, target: Uint8Array): void {
  const { outFeatures, inFeatures, bits, groupSize, patterns, alphas, offsets } = codes;
  const { groups, blockBytes, rangeBytes, ranges } = layout;
  target.fill(0);
  new Uint32Array(target.buffer, target.byteOffset, 6).set(
    [bits, groupSize, groups, blockBytes, rangeBytes, ranges],
  );
  const floats = new Float32Array(target.buffer, target.byteOffset + ranges, (target.length - ranges) / 4);
  for (let row = 0; row < outFeatures; row++) {
    const block = row >> 5, lane = row & 31;
    const at = headerBytes + block * blockBytes + (lane & 16) + 2 * (lane & 7) + (lane >> 3 & 1);
    for (let j = 0; j < inFeatures; j++) {
      const pattern = patterns[row * inFeatures + j], eight = at + (j >> 3) * bits * 32;
      for (let plane = 0; plane < bits; plane++) {
        target[eight + plane * 32] |= (pattern >> plane & 1) << (j & 7);
      }
    }
    for (let group = 0; group < groups; group++) {
      const range = (block * groups + group) * rangeBytes / 4 + lane, from = row * groups + group;
      for (let plane = 0; plane < bits; plane++) floats[range + plane * 32] = alphas[from * bits + plane];
      if (offsets) floats[range + bits * 32] = offsets[from];
    }
  }
}
