/** Which packed weights the GPU holds packed, and as what. */

import type { PackedCodes } from "../codes.ts";
import { isBinary } from "../host/packed.ts";
import { isTable } from "../host/table.ts";
import { canLookUp, GpuBinaryWeight } from "./binary.ts";
import type { Recorder } from "./recorder.ts";
import type { Memory } from "./storage.ts";
import { canHoldTable, GpuTableWeight } from "./table.ts";
import { type GpuLinearWeight, GpuPackedWeight, layPacked } from "./weights.ts";

/** The weight in the form that kernels read, in buffers of at most `limit` bytes; null where its values have to be held instead. */
export function gpuPackedWeight(
  memory: Memory,
  recorder: Recorder,
  limit: number,
  packed: PackedCodes,
): GpuLinearWeight | null {
  if (isBinary(packed)) {
    return canLookUp(packed) ? new GpuBinaryWeight(memory, recorder, limit, packed) : null;
  }
  if (isTable(packed)) {
    return canHoldTable(packed) ? new GpuTableWeight(memory, recorder, limit, packed) : null;
  }
  // A subnormal scale times a code may be a normal number, but a GPU may take the scale for zero.
  if (packed.scales.some((scale) => scale !== 0 && Math.abs(scale) < 2 ** -126)) return null;
  const weight = new GpuPackedWeight(memory, limit, packed);
  layPacked(memory, recorder, weight, packed);
  return weight;
}
