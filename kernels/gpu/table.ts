/** Weights of codes into a table on the GPU. */

import type { TableCodes } from "../codes.ts";
import { blocksOfRow, tableScale } from "../host/table.ts";
import type { Kernel } from "./kernel.ts";
import { kernels } from "./kernels.ts";
import type { Recorder, View } from "./recorder.ts";
import type { Memory } from "./storage.ts";
import { cut, GpuLinearWeight, type Part, planesOf } from "./weights.ts";

/** Whether a GPU may take no scale for zero: it may flush subnormal ones. */
export function canHoldTable({ scales, scaleValues }: TableCodes): boolean {
  const subnormal = (scale: number) => scale !== 0 && Math.abs(scale) < 2 ** -126;
  return !scales.some((scale: number) => subnormal(scaleValues ? scaleValues[scale] : scale));
}

/** The blocks of its columns and both tables, then for each part its codes, in planes (`packed.wgsl`), and its scales. */
export class GpuTableWeight extends GpuLinearWeight {
  override readonly product: Kernel = kernels.tableProduct;
  override readonly vectorProduct: Kernel = kernels.tableVectorProduct;
  override readonly constants: Readonly<Record<string, number>>;

  constructor(memory: Memory, recorder: Recorder, limit: number, codes: TableCodes) {
    const { outFeatures, inFeatures, bits, block, values, scaleValues } = codes;
    const words = Math.ceil(inFeatures / 32) * bits, groups = blocksOfRow(codes);
    const parts = cut(outFeatures, Math.max(words, groups) * 4, limit, 32);
    const table = Float32Array.of(...values, ...scaleValues ?? []);
    const perScale = scaleValues ? 1 : 4;
    const sizes = parts.flatMap(({ stride }) => [words * stride * 4, groups * stride * perScale]);
    super(memory, outFeatures, inFeatures, parts, [inFeatures * 4, table.byteLength, ...sizes]);
    this.constants = { bits, scale_bytes: Number(scaleValues !== undefined) };
    const targets = this.open(memory, "packedWeight", "weight");
    recorder.write(
      targets[0],
      0,
      Uint32Array.from({ length: inFeatures }, (_, l) => Math.floor(l / block[1])),
    );
    recorder.write(targets[1], 0, table);
    for (const [i, part] of parts.entries()) {
      recorder.write(targets[2 + 2 * i], 0, planesOf(codes, part));
      recorder.write(targets[3 + 2 * i], 0, scalesOf(codes, part));
    }
  }

  override bindings(buffers: readonly GPUBuffer[], part: number): Record<string, View> {
    const [rangeOf, table] = buffers, [codes, scales] = buffers.slice(2 + 2 * part);
    return {
      range_of: { buffer: rangeOf },
      levels: { buffer: table },
      codes: { buffer: codes },
      scales: { buffer: scales },
    };
  }
}

/** Scales of a part as words, neighbouring output features side by side: four bytes to a word, or floats. */
function scalesOf(codes: TableCodes, { first, count, stride }: Part): Uint32Array<ArrayBuffer> {
  const { block, scales, scaleValues } = codes, groups = blocksOfRow(codes);
  const words = new Uint32Array(groups * stride / (scaleValues ? 4 : 1));
  const bytes = new Uint8Array(words.buffer), floats = new Float32Array(words.buffer);
  for (let j = 0; j < count; j++) {
    for (let group = 0; group < groups; group++) {
      if (scaleValues) {
        bytes[group * stride + j] = scales[Math.floor((first + j) / block[0]) * groups + group];
      } else floats[group * stride + j] = tableScale(codes, first + j, group);
    }
  }
  return words;
}
