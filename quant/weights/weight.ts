/** Quantized weights as they are stored: bits, scales, zero points, and how many bytes that is. */
import type { PackedCodes } from "../../kernels/codes.ts";

/** A quantized weight `[out, in]`. Effective bits are measured from `byteLength`, never computed from a slogan. */
export interface PackedWeight {
  /** Output and input features. */
  readonly shape: readonly [out: number, inputs: number];
  /** Bytes of codes, scales, zero points and all else that dequantization needs. */
  readonly byteLength: number;
  /** The float32 values, row-major. */
  dequantize(): Float32Array;
  /** What a device multiplies with in packed execution; absent where there is no kernel for the format. */
  pack?(): PackedCodes;
}

/** Bits per weight, all overhead included. */
export function bitsPerWeight(weight: PackedWeight): number {
  return 8 * weight.byteLength / (weight.shape[0] * weight.shape[1]);
}
