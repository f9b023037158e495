/** A weight in the codes that it is stored as. */
import type { PackedCodes } from "../../kernels/codes.ts";

/** A weight `[out, in]` as it is stored quantized. Effective bits are measured from `byteLength`, never computed from a slogan. */
export interface StoredWeight {
  /** Output and input features. */
  readonly shape: readonly [out: number, inputs: number];
  /** Bytes of codes, scales, zero points and all else that dequantization needs. */
  readonly byteLength: number;
  /** The float32 values, row-major. */
  dequantize(): Float32Array;
  /** What a device multiplies with in packed execution; absent where there is no kernel for the format. */
  pack?(): PackedCodes;
  /** Reads the weight from its file, where this only says how large it is: all else is asked of what this gives. */
  read?(): Promise<StoredWeight>;
}

/** A weight with its codes in memory: read now, where they were left in their file. */
export async function heldWeight(stored: StoredWeight): Promise<StoredWeight> {
  return await stored.read?.() ?? stored;
}
