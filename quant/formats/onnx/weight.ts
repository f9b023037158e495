/** Packed weights in the blocks of ONNX Runtime's `MatMulNBits` (com.microsoft, contrib operators). */
import { packBits } from "../../grids/bits.ts";
import type { UniformWeight } from "../../weights/uniform.ts";

/** Operands of `MatMulNBits`. */
export interface NBits {
  /** Bits of a code: 4 or 8. */
  readonly bits: 4 | 8;
  /** Consecutive inputs that share a scale. */
  readonly blockSize: number;
  /** Codes `[out, blocks, blockSize * bits / 8]`, the first in the low bits. */
  readonly codes: Uint8Array;
  /** Scales `[out, blocks]`. */
  readonly scales: Float32Array;
  /** Zero points `[out, ceil(blocks * bits / 8)]`. */
  readonly zeros: Uint8Array;
}

/**
 * The operands for a weight, or null where its groups are no whole blocks. Larger groups repeat their scale, shorter codes
 * lie in 4 or 8 bits: the values stay the same to the bit.
 */
export function nBitsOf(weight: UniformWeight): NBits | null {
  const [rows, columns] = weight.shape;
  const groupSize = Math.min(weight.groupSize, columns);
  const blockSize = [256, 128, 64, 32, 16].find((size) => groupSize % size === 0);
  if (blockSize === undefined) return null;
  const bits = weight.bits <= 4 ? 4 : 8, blocks = columns / blockSize;
  const codes = packBits(weight.codes(), bits);
  const sourceZeros = weight.zeros();
  const scales = new Float32Array(rows * blocks);
  const zeroBytes = Math.ceil(blocks * bits / 8), zeros = new Uint8Array(rows * zeroBytes);
  for (let row = 0; row < rows; row++) {
    const own = new Uint8Array(blocks);
    for (let block = 0; block < blocks; block++) {
      const group = Math.floor((row * columns + block * blockSize) / weight.groupSize);
      scales[row * blocks + block] = weight.scales[group];
      own[block] = sourceZeros[group];
    }
    zeros.set(packBits(own, bits), row * zeroBytes);
  }
  return { bits, blockSize, codes, scales, zeros };
}
