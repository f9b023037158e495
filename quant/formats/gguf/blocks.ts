/** Packed weights in the block types of GGUF that say the same: codes of 4, 5 or 8 bits with a scale for each 32 weights, MXFP4, NVFP4. */
import { encodeF16 } from "../../../model/files/dtype.ts";
import { requireFiniteHalf, requireHalfScales } from "../half.ts";
import type { TableWeight } from "../../weights/table.ts";
import type { UniformWeight } from "../../weights/uniform.ts";
import { floatFormats, floatValues } from "../../grids/float.ts";
import { elementOf, hasPowerScales } from "../compressed_tensors/floats.ts";

/** A weight as GGUF stores it, row by row. */
export interface GgufBlocks {
  /** Type of the blocks. */
  readonly dtype: "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "MXFP4" | "NVFP4";
  /** Bytes of all rows. */
  readonly bytes: Uint8Array;
  /** What all weights are multiplied by, in a tensor beside them. */
  readonly scale?: number;
}

/** Whether all zero points are the middle of the codes. */
export function isCentered(weight: UniformWeight): boolean {
  return weight.zeros().every((zero) => zero === 2 ** (weight.bits - 1));
}

/**
 * The blocks of a weight, or null where no type says it: another order of columns, groups that are no whole blocks, 6 or 7
 * bits, 8 bits around another point than the middle. Scales and minima are rounded to float16, codes stay as they are. `middle` is whether
 * the type shall be one without minima, which has all zero points in the middle.
 */
export function ggufBlocks(
  name: string,
  weight: UniformWeight,
  middle = isCentered(weight),
): GgufBlocks | null {
  const { bits, permutation, shape: [rows, columns] } = weight;
  const groupSize = Math.min(weight.groupSize, columns);
  if (permutation !== null || groupSize % 32 !== 0) return null;
  const codes = weight.codes(), zeros = weight.zeros();
  const width = bits <= 4 ? 4 : bits;
  const dtype = width === 4
    ? bits === 4 && middle ? "Q4_0" : "Q4_1"
    : width === 5
    ? middle ? "Q5_0" : "Q5_1"
    : width === 8 && middle
    ? "Q8_0"
    : null;
  if (dtype === null) return null;
  requireHalfScales("gguf", name, weight);
  const size = { Q4_0: 18, Q4_1: 20, Q5_0: 22, Q5_1: 24, Q8_0: 34 }[dtype];
  const bytes = new Uint8Array(rows * columns / 32 * size), view = new DataView(bytes.buffer);
  for (let block = 0, at = 0; block * 32 < codes.length; block++, at += size) {
    const group = Math.floor(block * 32 / weight.groupSize), scale = weight.scales[group];
    let to = at;
    const parts = dtype.endsWith("_1") ? [scale, -scale * zeros[group]] : [scale];
    for (const value of parts) {
      requireFiniteHalf("gguf", name, value);
      view.setUint16(to, encodeF16(Float32Array.of(value))[0], true);
      to += 2;
    }
    const own = codes.subarray(block * 32, (block + 1) * 32);
    if (width === 8) {
      for (const [i, code] of own.entries()) bytes[to + i] = code - 128;
      continue;
    }
    if (width === 5) {
      view.setUint32(to, own.reduce((sum, code, i) => sum | (code >> 4) << i, 0) >>> 0, true);
      to += 4;
    }
    for (let i = 0; i < 16; i++) bytes[to + i] = own[i] & 15 | (own[i + 16] & 15) << 4;
  }
  return { dtype, bytes };
}

/** MXFP4 as GGUF stores it: of 32 weights the byte of the scale, then the codes of weights `i` and `i + 16` in a byte. Null where a weight is other. */
export function mxfp4Blocks(weight: TableWeight): GgufBlocks | null {
  const { shape: [, columns], block, scales } = weight;
  const is = elementOf(weight) === "e2m1" && hasPowerScales(weight) && block[0] === 1 && block[1] === 32;
  if (!is || columns % 32 !== 0) return null;
  const codes = weight.codes(), bytes = new Uint8Array(scales.length * 17);
  for (const [i, scale] of scales.entries()) {
    bytes[17 * i] = scale;
    for (let j = 0; j < 16; j++) bytes[17 * i + 1 + j] = codes[32 * i + j] | codes[32 * i + 16 + j] << 4;
  }
  return { dtype: "MXFP4", bytes };
}

/**
 * NVFP4 as GGUF stores it: of 64 weights the E4M3 scales of four groups of 16, then of each group the codes of weights `i` and `i + 8` in a
 * byte. What the tensor's scales are multiplied by goes into a scale beside it; as products are rounded to float32 in another order, weights
 * move by at most 2^-22 of themselves. Null where a weight is other.
 */
export function nvfp4Blocks(weight: TableWeight): GgufBlocks | null {
  const { shape: [, columns], block, scales, scaleValues } = weight;
  const e4m3 = floatValues(floatFormats.e4m3), scale = scaleValues?.[e4m3.indexOf(1)] ?? NaN;
  const is = elementOf(weight) === "e2m1" && block[0] === 1 && block[1] === 16 && columns % 64 === 0 &&
    scales instanceof Uint8Array && scales.every((byte) => byte < 0x7f) &&
    e4m3.subarray(0, 0x7f).every((value, i) =>
      Math.abs(value * scale - (scaleValues?.[i] ?? NaN)) <= 2 ** -23 * value * scale
    );
  if (!is) return null;
  const codes = weight.codes(), bytes = new Uint8Array(scales.length * 9);
  for (const [i, byte] of scales.entries()) {
    const start = 36 * (i >> 2), group = i & 3;
    bytes[start + group] = byte;
    for (let j = 0; j < 8; j++) {
      bytes[start + 4 + 8 * group + j] = codes[16 * i + j] | codes[16 * i + 8 + j] << 4;
    }
  }
  return { dtype: "NVFP4", bytes, ...scale !== 1 && { scale } };
}
